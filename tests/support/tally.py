"""Counts what a test run has shown: `tally.py BUILD_FOLDER STATUS_OF_MESON_TEST`.

A Catch2 program leaves one line per finished case in BUILD_FOLDER/test-results/ (catch_main.cpp); a program that
failed without a failed case (it crashed, hung or ran nothing) counts as one failure, and a script as one case. What was
left out, and why, is listed; a case of which a part was left out counts as passed.
The last line is "N passed, N failed", with ", N skipped" when a whole case or script was left out; the exit status is 0
only when something ran and nothing failed.
"""
import json
import pathlib
import sys


def main():
    build = pathlib.Path(sys.argv[1])
    meson_failed = sys.argv[2] != '0'
    passed = 0
    failed = []
    skipped = []
    in_part = []
    log = build / 'meson-logs' / 'testlog.json'
    records = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    for record in records:
        program = record['name'].split(' / ')[-1]
        results = build / 'test-results' / ('test-' + program)
        if record['result'] == 'SKIP':
            skipped.append(f"{program}: {(said(record) or ['no reason given'])[-1]}")
        elif results.exists():
            lines = results.read_text().splitlines()
            bad = [f'{program}: {line[5:]}' for line in lines if line.startswith('fail ')]
            passed += sum(line.startswith('pass ') for line in lines)
            failed += bad
            skipped += [f'{program}: {line[5:]}' for line in lines if line.startswith('skip ')]
            in_part += [f'{program}: {line[5:]}' for line in lines if line.startswith('part ')]
            if record['result'] != 'OK' and not bad:
                failed.append(f"{program}: ended early ({record['result']}, status {record.get('returncode')})")
        elif record['result'] == 'OK' and program not in catch_programs(build):
            passed += 1
            in_part += [f'{program}: {line}' for line in said(record) if 'left out' in line]
        else:
            failed.append(f"{program}: {record['result']}, status {record.get('returncode')}")
    if meson_failed and not failed:
        failed.append('the test run itself')
    for case in in_part:
        print(f'SKIP in part: {case}')
    for case in skipped:
        print(f'SKIP: {case}')
    for case in failed:
        print(f'failed: {case}')
    print(f'{passed} passed, {len(failed)} failed' + (f', {len(skipped)} skipped' if skipped else ''))
    return 1 if failed or passed == 0 else 0


def said(record):
    return [line for stream in ('stderr', 'stdout') for line in record.get(stream, '').strip().splitlines()]


def catch_programs(build):
    return {path.name.removeprefix('test-') for path in (build / 'tests').glob('test-*') if path.is_file()}


sys.exit(main())
