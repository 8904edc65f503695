package reactor_test

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The values behind SetKeepAliveConfig, which Linux tells under its own names.
func TestSetKeepAliveConfigValues(t *testing.T) {
	a, _ := connPair(t, "tcp4")
	values := func() [3]int {
		t.Helper()
		var v [3]int
		for i, o := range []int{unix.TCP_KEEPIDLE, unix.TCP_KEEPINTVL, unix.TCP_KEEPCNT} {
			var err error
			v[i], err = unix.GetsockoptInt(int(fdOf(t, a)), unix.IPPROTO_TCP, o)
			check(t, "getsockopt", err)
		}
		return v
	}
	untouched := values()
	for _, tc := range []struct {
		name string
		cfg  net.KeepAliveConfig
		want [3]int
	}{
		{"negative leaves the system's", net.KeepAliveConfig{Enable: true, Idle: -1, Interval: -1, Count: -1}, untouched},
		{"as asked for", net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 4 * time.Second, Count: 3}, [3]int{30, 4, 3}},
		{"rounded up to seconds", net.KeepAliveConfig{Enable: true, Idle: 1500 * time.Millisecond, Interval: 1, Count: 2}, [3]int{2, 1, 2}},
		{"zero is package net's", net.KeepAliveConfig{Enable: true}, [3]int{15, 15, 9}},
		{"negative leaves what was set", net.KeepAliveConfig{Enable: true, Idle: -1, Interval: time.Second, Count: -1}, [3]int{15, 1, 9}},
	} {
		check(t, tc.name, a.SetKeepAliveConfig(tc.cfg))
		if got := values(); got != tc.want {
			t.Errorf("%s: idle, interval, count = %v, want %v", tc.name, got, tc.want)
		}
	}
}
