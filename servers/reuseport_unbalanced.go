//go:build !(linux || freebsd || dragonfly)

package servers

// reusePortBalances says whether the kernel spreads connections and datagrams over the sockets that share an
// address by SO_REUSEPORT. Here the option is missing, or one socket gets everything.
const reusePortBalances = false
