// The official client, unmodified, against a running gateway: node client_test.mjs BASE_URL
import assert from 'node:assert/strict';
import { subscribe } from 'node:diagnostics_channel';
import OpenAI from 'openai';

const baseURL = process.argv[2];
const client = new OpenAI({ apiKey: 'any', baseURL, maxRetries: 0, timeout: 30000 });
const messages = [{ role: 'user', content: 'Tell me about lighthouses.' }];
const withFault = (fault) => ({ headers: { 'x-reeve-fault': fault } });

let connections = 0;
let connectionsEver = 0;
subscribe('undici:client:connected', () => {
    connections += 1;
    connectionsEver += 1;
});

async function collect(stream) {
    const seen = { text: '', finish: null, chunks: 0, usage: null };
    for await (const chunk of stream) {
        seen.chunks += 1;
        seen.text += chunk.choices[0]?.delta?.content ?? '';
        seen.finish = chunk.choices[0]?.finish_reason ?? seen.finish;
        seen.usage = chunk.usage ?? seen.usage;
    }
    return seen;
}

const health = async () => (await fetch(new URL('/healthz', baseURL))).json();

const cases = {
    async 'models are listed and shown'() {
        const names = [];
        for await (const model of client.models.list()) names.push(model.id);
        assert.deepEqual(names, ['reeve-sim', 'reeve-sim-fast', 'reeve-sim-instant']);
        assert.equal((await client.models.retrieve('reeve-sim')).object, 'model');
    },
    async 'plain and streamed answers of one seed are the same'() {
        const request = { model: 'reeve-sim', messages, seed: 7, max_completion_tokens: 60 };
        const plain = await client.chat.completions.create(request);
        assert.equal(plain.object, 'chat.completion');
        assert.match(plain._request_id, /^req_/);
        assert.ok(plain.choices[0].message.content.length > 20);
        const stream = await client.chat.completions.create(
            { ...request, stream: true, stream_options: { include_usage: true } });
        const seen = await collect(stream);
        assert.equal(seen.text, plain.choices[0].message.content);
        assert.equal(seen.finish, plain.choices[0].finish_reason);
        assert.deepEqual(seen.usage, plain.usage);
        assert.ok(seen.chunks > 10);
    },
    async 'the stream helper'() {
        const runner = client.chat.completions.stream({ model: 'reeve-sim', messages, seed: 8, n: 2 });
        const final = await runner.finalChatCompletion();
        assert.equal(final.choices.length, 2);
        assert.equal(final.choices[1].finish_reason, 'stop');
        assert.ok(final.choices[1].message.content.length > 0);
    },
    async 'content in parts, a stop sequence'() {
        const parts = [{ role: 'user', content: [{ type: 'text', text: 'Tell me about lighthouses.' }] }];
        const answer = await client.chat.completions.create({ model: 'reeve-sim', messages: parts, stop: ['.'] });
        assert.equal(answer.choices[0].finish_reason, 'stop');
        assert.ok(!answer.choices[0].message.content.includes('.'));
    },
    // Only if the last frame and the end of the body come in one write: the client gives up a connection whose body has
    // not ended when it sees [DONE].
    async 'twenty streams one after the other share a connection'() {
        connections = 0;
        for (let i = 0; i < 20; ++i) {
            const stream = await client.chat.completions.create(
                { model: 'reeve-sim', messages, stream: true, max_tokens: 5 });
            assert.equal((await collect(stream)).chunks, 7);
        }
        assert.ok(connections <= 2, `${connections} connections for 20 streams`);
    },
    async 'fifty streams at once, token by token'() {
        const all = await Promise.all(Array.from({ length: 50 }, async () => collect(
            await client.chat.completions.create(
                { model: 'reeve-sim-fast', messages, stream: true, max_tokens: 50 }))));
        assert.ok(all.every((seen) => seen.finish !== null && seen.text.length > 0));
    },
    async 'errors arrive as the classes they are'() {
        const create = (more, options) => client.chat.completions.create(
            { model: 'reeve-sim', messages, ...more }, options);
        await assert.rejects(create({ model: 'gpt-17' }), (error) =>
            error instanceof OpenAI.NotFoundError && error.code === 'model_not_found' && error.param === 'model');
        await assert.rejects(create({ n: 99 }), (error) =>
            error instanceof OpenAI.BadRequestError && error.param === 'n');
        await assert.rejects(create({ messages: [] }), OpenAI.BadRequestError);
        await assert.rejects(create({}, withFault('429')), OpenAI.RateLimitError);
        await assert.rejects(create({}, withFault('500')), OpenAI.InternalServerError);
    },
    async 'a stream that breaks off is an error'() {
        const stream = await client.chat.completions.create({ model: 'reeve-sim', messages, stream: true }, withFault('cut'));
        await assert.rejects(collect(stream));
    },
    async 'a character cut in two and a very long line'() {
        const ordered = async (fault) => collect(await client.chat.completions.create(
            { model: 'reeve-sim', messages, stream: true }, withFault(fault)));
        assert.ok((await ordered('utf8-split')).text.includes(' café'));
        assert.ok((await ordered('huge-line')).text.length > 256 * 1024);
    },
    async 'breaking out of a stream cancels the request'() {
        const before = (await health()).cancelled;
        const stream = await client.chat.completions.create({ model: 'reeve-sim', messages, stream: true }, withFault('stall'));
        for await (const chunk of stream) {
            assert.equal(chunk.choices[0].delta.role, 'assistant');
            break;
        }
        while ((await health()).cancelled === before) await new Promise((resolve) => setTimeout(resolve, 5));
    },
};

for (const [name, run] of Object.entries(cases)) {
    try {
        await run();
    } catch (error) {
        console.error(`FAILED: ${name}`);
        console.error(error);
        process.exit(1);
    }
    console.log(`ok: ${name}`);
}

assert.ok(connectionsEver > 0, 'this Node does not report connections, so they were not counted');
