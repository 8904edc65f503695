package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSpreadIsOfTheRoundsThatHaveAFigure(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		values []float64
		want   spread
	}{
		{[]float64{3}, spread{3, 3, 3}},
		{[]float64{9, 1, 5}, spread{5, 1, 9}},
		{[]float64{4, 1, 2, 9}, spread{3, 1, 9}},
		{[]float64{nan, 4, nan, 2}, spread{3, 2, 4}},
	} {
		if got := spreadOf(c.values); got != c.want {
			t.Errorf("spreadOf(%v) = %v, want %v", c.values, got, c.want)
		}
	}
	for _, none := range [][]float64{nil, {nan}} {
		if s := spreadOf(none); !math.IsNaN(s.median) || !math.IsNaN(s.min) || !math.IsNaN(s.max) {
			t.Errorf("spreadOf(%v) = %v, want NaN", none, s)
		}
	}
	values := []float64{2, 1}
	spreadOf(values)
	if values[0] != 2 {
		t.Error("spreadOf has sorted its argument, whose places are the rounds")
	}
}

func TestRatiosAreWithinARound(t *testing.T) {
	// The second round ran at half the speed for both: their ratio is the same in each.
	values, base := []float64{30, 15, 30, 7, math.NaN()}, []float64{10, 5, math.NaN(), 0, 1}
	got := ratios(values, base)
	if got[0] != 3 || got[1] != 3 || !math.IsNaN(got[2]) || !math.IsNaN(got[3]) || !math.IsNaN(got[4]) {
		t.Errorf("ratios = %v, want 3 3 NaN NaN NaN", got)
	}
}

func TestRotationGivesEveryServerEveryPlace(t *testing.T) {
	const n = 3
	var at [n][n]int // server, place
	for round := range 2 * n {
		for place, server := range rotated(n, round) {
			at[server][place]++
		}
	}
	for server, places := range at {
		for place, times := range places {
			if times != 2 {
				t.Errorf("server %d was at place %d %d times of %d rounds, want 2", server, place, times, 2*n)
			}
		}
	}
}

func TestHistogramStepsAreContiguousAndNarrow(t *testing.T) {
	last := -1
	for v := range uint64(1 << 17) {
		i := histIndex(v)
		if i != last && i != last+1 {
			t.Fatalf("histIndex(%d) = %d after %d", v, i, last)
		}
		last = i
		if off := math.Abs(histValue(i) - float64(v)); off > float64(v)/256 {
			t.Fatalf("%d is taken for %v", v, histValue(i))
		}
	}
	var h histogram
	if i := histIndex(math.MaxUint64); i != len(h.counts)-1 {
		t.Errorf("the longest duration has step %d, want the last of %d", i, len(h.counts))
	}
}

func TestQuantilesAreWithinHalfAPercent(t *testing.T) {
	var h histogram
	if q := h.quantile(.5); !math.IsNaN(q) {
		t.Errorf("a quantile of nothing is %v, want NaN", q)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	values := make([]float64, 10001)
	for i := range values {
		v := int64(math.Exp(rng.Float64() * 20)) // 1 ns to half a second
		values[i] = float64(v)
		h.add(v)
	}
	slices.Sort(values)
	for _, q := range []float64{0, .001, .5, .99, .999, 1} {
		exact := values[max(0, int(math.Ceil(q*float64(len(values))))-1)]
		if got := h.quantile(q); math.Abs(got-exact) > exact/200 {
			t.Errorf("quantile(%v) = %v, want %v", q, got, exact)
		}
	}
	h.reset()
	h.add(7)
	if q := h.quantile(.99); q != 7 {
		t.Errorf("after reset and one 7 the quantile is %v", q)
	}
}
