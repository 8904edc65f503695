//go:build linux || freebsd || dragonfly

package servers

// reusePortBalances says whether the kernel spreads connections and datagrams over the sockets that share an
// address by SO_REUSEPORT (FreeBSD: SO_REUSEPORT_LB). Elsewhere the option exists too, but one socket gets
// everything.
const reusePortBalances = true
