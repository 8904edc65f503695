package main

import (
	"fmt"
	"io"
	"math"
	"strings"
)

// column takes one figure of a server over the rounds. A failed round has none.
func column(samples []sample, figure func(result) float64) []float64 {
	v := make([]float64, len(samples))
	for i, s := range samples {
		v[i] = math.NaN()
		if s.err == nil {
			v[i] = figure(s.result)
		}
	}
	return v
}

// number shows a figure, and a dash for one that there is not.
func number(format string, v float64) string {
	if math.IsNaN(v) {
		return "–"
	}
	return fmt.Sprintf(format, v)
}

// ratio shows a ratio and, where the rounds differ, its least and its greatest.
func ratio(values, base []float64) string {
	s := spreadOf(ratios(values, base))
	if math.IsNaN(s.median) || s.min == s.max {
		return number("%.2f", s.median)
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", s.median, s.min, s.max)
}

// writeTable prints a scenario's samples as Markdown, and gives how many of them failed. Ratios are to the first server.
func writeTable(w io.Writer, sc scenario, servers []server, samples [][]sample) (failed int, err error) {
	var b strings.Builder
	if sc.idle {
		writeMemory(&b, sc, servers, samples)
	} else {
		writeSpeed(&b, sc, servers, samples)
	}
	for i, rounds := range samples {
		for round, s := range rounds {
			if s.err != nil {
				failed++
				fmt.Fprintf(&b, "\nFAILED: %s, round %d: %v\n", servers[i].name, round+1, s.err)
			}
		}
	}
	_, err = io.WriteString(w, b.String())
	return failed, err
}

func writeSpeed(b *strings.Builder, sc scenario, servers []server, samples [][]sample) {
	first := servers[0].name
	fmt.Fprintf(b, "\n### %s: %s\n\n", sc.name, sc.about)
	fmt.Fprintf(b, "| server | requests/s | × %s | p50 µs | p99 µs | CPU s/M requests | × %[1]s | switches/request |", first)
	rule := "\n|---|---:|---|---:|---:|---:|---|---:|"
	if sc.network == "udp" {
		b.WriteString(" lost |")
		rule += "---:|"
	}
	b.WriteString(rule + "\n")
	baseRate, baseCPU := column(samples[0], result.rate), column(samples[0], result.cpuPerMillion)
	lost := func(r result) float64 { return float64(r.Lost) }
	median := func(format string, rounds []sample, figure func(result) float64) string {
		return number(format, spreadOf(column(rounds, figure)).median)
	}
	for i, rounds := range samples {
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s | %s |", servers[i].name,
			median("%.0f", rounds, result.rate), ratio(column(rounds, result.rate), baseRate),
			median("%.1f", rounds, func(r result) float64 { return r.P50 }),
			median("%.1f", rounds, func(r result) float64 { return r.P99 }),
			median("%.3f", rounds, result.cpuPerMillion), ratio(column(rounds, result.cpuPerMillion), baseCPU),
			median("%.4f", rounds, result.switchesPerRequest))
		if sc.network == "udp" {
			fmt.Fprintf(b, " %s |", median("%.0f", rounds, lost))
		}
		b.WriteString("\n")
	}
	writeRemarks(b, samples)
}

// writeRemarks says what the reader must know to judge a table.
func writeRemarks(b *strings.Builder, samples [][]sample) {
	var others, busy float64
	unmeasured := false
	for _, rounds := range samples {
		for _, s := range rounds {
			if s.err == nil {
				others, busy = max(others, s.Others), max(busy, s.Busy)
				unmeasured = unmeasured || !s.HaveUsage
			}
		}
	}
	if unmeasured {
		b.WriteString("\nCPU time and context switches cannot be measured on this system.\n")
	}
	if others > 0.1 {
		fmt.Fprintf(b, "\nDisturbed: other processes took up to %.2f of a CPU.\n", others)
	}
	if busy > 0.97 {
		fmt.Fprintf(b, "\nThe load generator was up to %.0f %% busy: requests/s is its limit as much as a server's.\n", 100*busy)
	}
}

func writeMemory(b *strings.Builder, sc scenario, servers []server, samples [][]sample) {
	fmt.Fprintf(b, "\n### %s: %s\n\n", sc.name, sc.about)
	first := servers[0].name
	fmt.Fprintf(b, "| server | bytes/connection | × %s | after one echo | × %[1]s |\n|---|---:|---|---:|---|\n", first)
	known := func(figure func(result) float64) func(result) float64 {
		return func(r result) float64 {
			if !r.HaveRSS {
				return math.NaN()
			}
			return figure(r)
		}
	}
	idle := known(func(r result) float64 { return r.IdleBytes })
	used := known(func(r result) float64 { return r.UsedBytes })
	for i, rounds := range samples {
		idles, useds := column(rounds, idle), column(rounds, used)
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", servers[i].name,
			number("%.0f", spreadOf(idles).median), ratio(idles, column(samples[0], idle)),
			number("%.0f", spreadOf(useds).median), ratio(useds, column(samples[0], used)))
	}
	for _, rounds := range samples {
		for _, s := range rounds {
			if s.err == nil && !s.HaveRSS {
				b.WriteString("\nA process's memory cannot be measured on this system.\n")
				return
			}
		}
	}
}
