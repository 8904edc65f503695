package main

import (
	"math"
	"slices"
)

// A spread sums up one figure over the rounds.
type spread struct{ median, min, max float64 }

// spreadOf leaves out NaN, which stands for a round without a figure. Of nothing it is NaN.
func spreadOf(values []float64) spread {
	v := slices.DeleteFunc(slices.Clone(values), math.IsNaN)
	if len(v) == 0 {
		return spread{math.NaN(), math.NaN(), math.NaN()}
	}
	slices.Sort(v)
	mid := len(v) / 2
	median := v[mid]
	if len(v)%2 == 0 {
		median = (v[mid-1] + v[mid]) / 2
	}
	return spread{median, v[0], v[len(v)-1]}
}

// ratios divides round by round: what disturbs a machine for longer than a round then weighs on both alike.
func ratios(values, base []float64) []float64 {
	r := make([]float64, len(values))
	for i := range values {
		r[i] = math.NaN()
		if base[i] != 0 {
			r[i] = values[i] / base[i]
		}
	}
	return r
}

// rotated gives 0 … n-1 beginning at another one each round, so that no server always runs after the same neighbour.
func rotated(n, round int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = (i + round) % n
	}
	return order
}
