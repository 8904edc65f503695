package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A usage is what a process has used since it began.
type usage struct {
	cpu      time.Duration
	switches uint64        // context switches of the threads that it has now
	machine  time.Duration // CPU time of everything on this machine, with what the hypervisor took
}

// userHZ is the unit of /proc/stat: proc_stat(5). It is 100 on every architecture that Go has.
const userHZ = 100

func readUsage(pid int) (usage, error) {
	var u usage
	// The process's CPU clock, as clock_getcpuclockid(3) composes it: the complement of the pid, 2 for the scheduler's time,
	// in nanoseconds, where /proc/PID/stat counts in hundredths of a second.
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &ts); err != nil {
		return u, fmt.Errorf("clock_gettime of process %d: %w", pid, err)
	}
	u.cpu = time.Duration(ts.Nano())

	tasks := fmt.Sprintf("/proc/%d/task", pid)
	threads, err := os.ReadDir(tasks)
	if err != nil {
		return u, err
	}
	for _, t := range threads {
		status, err := os.ReadFile(tasks + "/" + t.Name() + "/status")
		if os.IsNotExist(err) {
			continue // ended in between
		}
		if err != nil {
			return u, err
		}
		u.switches += statusField(status, "voluntary_ctxt_switches:") + statusField(status, "nonvoluntary_ctxt_switches:")
	}

	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return u, err
	}
	line, _, _ := bytes.Cut(stat, []byte("\n"))
	fields := strings.Fields(string(line))
	for _, i := range []int{1, 2, 3, 6, 7, 8} { // user nice system irq softirq steal
		if i < len(fields) {
			ticks, err := strconv.ParseUint(fields[i], 10, 64)
			if err != nil {
				return u, fmt.Errorf("/proc/stat: %w", err)
			}
			u.machine += time.Duration(ticks) * time.Second / userHZ
		}
	}
	return u, nil
}

// readRSS gives the resident memory of a process in bytes. smaps_rollup walks the page tables and is exact; VmRSS, of
// per-CPU counters, can be some hundred KiB off, but exists where smaps_rollup may not be read.
func readRSS(pid int) (uint64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	key := "Rss:"
	if err != nil {
		text, err = os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		key = "VmRSS:"
	}
	if err != nil {
		return 0, err
	}
	kib := statusField(text, key)
	if kib == 0 {
		return 0, fmt.Errorf("process %d has no resident memory: did it end?", pid)
	}
	return kib << 10, nil
}

// statusField finds a line that begins with key and gives its first number.
func statusField(text []byte, key string) uint64 {
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte(key)); ok {
			if f := bytes.Fields(rest); len(f) > 0 {
				n, err := strconv.ParseUint(string(f[0]), 10, 64)
				if err == nil {
					return n
				}
			}
		}
	}
	return 0
}
