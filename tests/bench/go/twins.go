// twins: the benchmarks of ../runtime_bench.cpp in Go, operation for operation, with the same arguments and the same lines of
// JSON; see there for what each measures. Built and run by ../twins.py.
//
//	twins [--full | --smoke] [--rounds N] [NAME...]
package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// --- The harness: tests/support/bench.hpp.

type field struct {
	name  string
	value float64
}

var (
	names   []string
	isFull  bool
	isSmoke bool
	rounds  = 5
)

func parse(arguments []string) {
	for i := 0; i < len(arguments); i++ {
		switch {
		case arguments[i] == "--full":
			isFull = true
		case arguments[i] == "--smoke":
			isSmoke = true
		case arguments[i] == "--rounds" && i+1 < len(arguments):
			i++
			rounds, _ = strconv.Atoi(arguments[i])
			rounds = max(1, rounds)
		default:
			names = append(names, arguments[i])
		}
	}
}

func isWanted(name string) bool {
	return len(names) == 0 || slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(name, n) })
}

func size(small, real int) int {
	if isSmoke {
		return max(small/100, 10)
	}
	if isFull {
		return real
	}
	return small
}

func quantile(values []float64, share float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[int(float64(len(values)-1)*share)]
}

func text(fields []field) string {
	var all []string
	for _, f := range fields {
		number := strconv.FormatFloat(f.value, 'f', 2, 64)
		if f.value == float64(int64(f.value)) {
			number = strconv.FormatInt(int64(f.value), 10)
		}
		all = append(all, fmt.Sprintf("%q: %s", f.name, number))
	}
	return strings.Join(all, ", ")
}

func report(name string, params, metrics []field) {
	fmt.Printf("{\"name\": %q, \"params\": {%s}, %s}\n", name, text(params), text(metrics))
}

// Body does its work n times and returns the time that took.
type body func(n int) time.Duration

func measure(name string, workers, small, real int, run body) {
	if !isWanted(name) {
		return
	}
	runtime.GOMAXPROCS(workers)
	n := size(small, real)
	run(n/10 + 1)
	var nsPerOp []float64
	for range rounds {
		nsPerOp = append(nsPerOp, float64(run(n))/float64(n))
	}
	report(name, []field{{"workers", float64(workers)}, {"n", float64(n)}, {"rounds", float64(rounds)}},
		[]field{{"ns_per_op", quantile(nsPerOp, 0.5)}, {"ns_per_op_min", quantile(nsPerOp, 0)}, {"ns_per_op_max", quantile(nsPerOp, 1)}})
}

// A line of /proc/self/status in bytes.
func statusBytes(key string) float64 {
	status, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(status), "\n") {
		if words := strings.Fields(line); len(words) > 1 && words[0] == key+":" {
			kib, _ := strconv.ParseFloat(words[1], 64)
			return kib * 1024
		}
	}
	return 0
}

// CPU time of all threads of this process.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func require(holds bool, what string) {
	if !holds {
		fmt.Fprintln(os.Stderr, what)
		os.Exit(1)
	}
}

// --- The benchmarks, in the order of runtime_bench.cpp.

func switches(n int) time.Duration {
	start := time.Now()
	yieldHalf := func() {
		for i := 0; i < n/2; i++ {
			runtime.Gosched()
		}
	}
	var other sync.WaitGroup
	other.Add(1)
	go func() {
		yieldHalf()
		other.Done()
	}()
	yieldHalf()
	other.Wait()
	return time.Since(start)
}

var kept atomic.Uint64

// A WaitGroup and a captured variable: the cheapest way Go has to wait for a goroutine's result.
func spawnJoin(n int) time.Duration {
	start := time.Now()
	var sum uint64
	for i := 0; i < n; i++ {
		var ended sync.WaitGroup
		var result uint64
		ended.Add(1)
		go func() {
			result = uint64(i)
			ended.Done()
		}()
		ended.Wait()
		sum += result
	}
	kept.Store(sum)
	return time.Since(start)
}

func spawnJoinBatch(n int) time.Duration {
	const batch = 1000
	start := time.Now()
	var results [batch]uint64
	var sum uint64
	for done := 0; done < n; done += batch {
		var ended sync.WaitGroup
		for i := range results {
			ended.Add(1)
			go func() {
				results[i] = uint64(i)
				ended.Done()
			}()
		}
		ended.Wait()
		for _, result := range results {
			sum += result
		}
	}
	kept.Store(sum)
	return time.Since(start)
}

func roundTrips(n int, isPinned bool) time.Duration {
	start := time.Now()
	there := make(chan uint64)
	back := make(chan uint64)
	ended := make(chan struct{})
	go func() {
		if isPinned {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
		}
		for value := range there {
			back <- value + 1
		}
		close(ended)
	}()
	if isPinned {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
	}
	var value uint64
	for i := 0; i < n; i++ {
		there <- value
		value = <-back
	}
	close(there)
	<-ended
	require(value == uint64(n), "channel_round_trip: wrong count")
	return time.Since(start)
}

func channelRoundTrip(n int) time.Duration { return roundTrips(n, false) }

func channelRoundTripPinned(n int) time.Duration { return roundTrips(n, true) }

func channelBuffered(n int) time.Duration {
	start := time.Now()
	channel := make(chan uint64, 128)
	go func() {
		for i := 0; i < n; i++ {
			channel <- uint64(i)
		}
		close(channel)
	}()
	var count uint64
	for value := range channel {
		if value >= count {
			count++
		}
	}
	require(count == uint64(n), "channel_buffered: wrong count")
	return time.Since(start)
}

func skynetNode(parent chan uint64, number, leaves uint64) {
	if leaves == 1 {
		parent <- number
		return
	}
	children := make(chan uint64)
	for i := uint64(0); i < 10; i++ {
		go skynetNode(children, number+i*(leaves/10), leaves/10)
	}
	var sum uint64
	for range 10 {
		sum += <-children
	}
	parent <- sum
}

func skynet() {
	if !isWanted("skynet") {
		return
	}
	runtime.GOMAXPROCS(2)
	leaves := uint64(size(100_000, 1_000_000))
	var ms []float64
	for range 3 {
		start := time.Now()
		result := make(chan uint64)
		go skynetNode(result, 0, leaves)
		require(<-result == leaves*(leaves-1)/2, "skynet: wrong sum")
		ms = append(ms, float64(time.Since(start))/1e6)
	}
	report("skynet", []field{{"workers", 2}, {"leaves", float64(leaves)}}, []field{{"ms", quantile(ms, 0.5)}, {"ms_min", quantile(ms, 0)}})
}

func parked() {
	if !isWanted("parked") {
		return
	}
	runtime.GOMAXPROCS(2)
	n := size(100_000, 1_000_000)
	gate := make(chan int)
	var arrived atomic.Int64
	var left sync.WaitGroup
	resident, tables := statusBytes("VmRSS"), statusBytes("VmPTE")
	start := time.Now()
	for range n {
		left.Add(1)
		go func() {
			arrived.Add(1)
			<-gate
			left.Done()
		}()
	}
	for arrived.Load() < int64(n) {
		time.Sleep(10 * time.Millisecond)
	}
	started := time.Since(start)
	time.Sleep(100 * time.Millisecond)
	count := float64(n)
	residentEach := (statusBytes("VmRSS") - resident) / count
	tablesEach := (statusBytes("VmPTE") - tables) / count
	closing := time.Now()
	close(gate)
	left.Wait()
	woken := time.Since(closing)
	report("parked", []field{{"n", count}}, []field{
		{"bytes_each", residentEach + tablesEach}, {"resident_each", residentEach}, {"page_tables_each", tablesEach},
		{"start_ns_each", float64(started) / count}, {"wake_and_end_ns_each", float64(woken) / count}})
}

func sleepers() {
	if !isWanted("sleepers") {
		return
	}
	runtime.GOMAXPROCS(2)
	const rounds = 5
	n := size(100_000, 100_000)
	late := make([]time.Duration, n)
	var lateUs, cpuUsEach []float64
	for round := -1; round < rounds; round++ {
		var left sync.WaitGroup
		cpu := cpuTime()
		for i := range n {
			left.Add(1)
			go func() {
				duration := time.Millisecond + time.Duration(i*7919%99_001)*time.Microsecond
				start := time.Now()
				time.Sleep(duration)
				late[i] = time.Since(start) - duration
				left.Done()
			}()
		}
		left.Wait()
		if round < 0 {
			continue
		}
		cpuUsEach = append(cpuUsEach, float64(cpuTime()-cpu)/1000/float64(n))
		for _, d := range late {
			lateUs = append(lateUs, float64(d)/1000)
		}
	}
	report("sleepers", []field{{"workers", 2}, {"n", float64(n)}, {"rounds", rounds}}, []field{
		{"late_p50_us", quantile(lateUs, 0.5)}, {"late_p99_us", quantile(lateUs, 0.99)}, {"late_max_us", quantile(lateUs, 1)},
		{"cpu_us_each", quantile(cpuUsEach, 0.5)}})
}

func main() {
	parse(os.Args[1:])
	parked()
	measure("switch", 1, 1_000_000, 20_000_000, switches)
	for workers := 1; workers <= 2; workers++ {
		measure("spawn_join", workers, 200_000, 2_000_000, spawnJoin)
		measure("spawn_join_batch", workers, 200_000, 2_000_000, spawnJoinBatch)
		measure("channel_buffered", workers, 500_000, 10_000_000, channelBuffered)
	}
	measure("channel_round_trip", 1, 300_000, 5_000_000, channelRoundTrip)
	measure("channel_round_trip_pinned", 2, 20_000, 200_000, channelRoundTripPinned)
	skynet()
	sleepers()
}
