package main

import (
	"math"
	"math/bits"
)

// A histogram counts durations in nanoseconds. Every power of two is cut into 128 steps, so that a quantile is exact to
// less than half a percent, at a fixed size and without an allocation while measuring.
type histogram struct {
	counts [57*histSteps + histSteps]uint64
	total  uint64
}

const (
	histBits  = 7
	histSteps = 1 << histBits
)

func histIndex(ns uint64) int {
	shift := max(0, bits.Len64(ns)-histBits-1)
	return shift<<histBits + int(ns>>shift)
}

// histValue is the middle of a step.
func histValue(index int) float64 {
	if index < 2*histSteps {
		return float64(index)
	}
	shift := index>>histBits - 1
	return math.Ldexp(float64(index-shift<<histBits)+0.5, shift)
}

func (h *histogram) add(ns int64) {
	h.counts[histIndex(uint64(max(0, ns)))]++
	h.total++
}

func (h *histogram) reset() { *h = histogram{} }

// quantile gives the value that a fraction q of all durations does not exceed, in nanoseconds, and NaN when there are none.
func (h *histogram) quantile(q float64) float64 {
	if h.total == 0 {
		return math.NaN()
	}
	rank := uint64(max(1, math.Ceil(q*float64(h.total))))
	var seen uint64
	for i, n := range h.counts {
		if seen += n; seen >= rank {
			return histValue(i)
		}
	}
	return math.NaN()
}
