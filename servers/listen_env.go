//go:build unix || wasip1

package servers

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/goreactor/reactor"
)

const (
	// firstInherited is the descriptor of the first inherited socket: SD_LISTEN_FDS_START of sd_listen_fds(3).
	firstInherited = 3
	// maxInherited keeps the last descriptor's number within an int of C.
	maxInherited = math.MaxInt32 - firstInherited
)

// listenEnv is what the environment says about inherited sockets.
type listenEnv struct {
	fds, pid, names          string
	fdsSet, pidSet, namesSet bool
}

// takeListenEnv reads the variables and unsets them: children must not take the sockets for theirs.
func takeListenEnv() (env listenEnv, err error) {
	take := func(name string, value *string, set *bool) {
		if *value, *set = os.LookupEnv(name); *set {
			if e := os.Unsetenv(name); e != nil && err == nil {
				err = e
			}
		}
	}
	take("LISTEN_FDS", &env.fds, &env.fdsSet)
	take("LISTEN_PID", &env.pid, &env.pidSet)
	take("LISTEN_FDNAMES", &env.names, &env.namesSet)
	return env, err
}

// parse gives the number of inherited sockets, at least one, and their names, if they have any. self is this
// process's number, for LISTEN_PID.
func (env listenEnv) parse(self int) (n int, names []string, err error) {
	if !env.fdsSet {
		return 0, nil, errors.New("no listening sockets were passed: LISTEN_FDS is not set; " + howToPassListeners)
	}
	if env.pidSet {
		pid, err := strconv.Atoi(env.pid)
		if err != nil || pid <= 0 {
			return 0, nil, fmt.Errorf("LISTEN_PID=%q is not the number of a process", env.pid)
		}
		if pid != self {
			return 0, nil, fmt.Errorf("LISTEN_PID=%d is another process than this one (%d): the sockets are not for it", pid, self)
		}
	}
	n, err = strconv.Atoi(env.fds)
	switch {
	case errors.Is(err, strconv.ErrRange), err == nil && n > maxInherited:
		return 0, nil, fmt.Errorf("LISTEN_FDS=%q is out of range", env.fds)
	case err != nil:
		return 0, nil, fmt.Errorf("LISTEN_FDS=%q is not a number", env.fds)
	case n < 0:
		return 0, nil, fmt.Errorf("LISTEN_FDS=%d is negative", n)
	case n == 0:
		return 0, nil, errors.New("no listening sockets were passed: LISTEN_FDS=0; " + howToPassListeners)
	}
	if env.namesSet {
		if names = strings.Split(env.names, ":"); len(names) != n {
			return 0, nil, fmt.Errorf("LISTEN_FDNAMES=%q has %d names, but LISTEN_FDS=%d", env.names, len(names), n)
		}
	}
	return n, names, nil
}

// adopt takes over n descriptors from firstInherited on. If one is no listener it closes those that it
// took, and leaves that one and the rest alone: they may be anything.
func adopt(n int, names []string) ([]namedListener, error) {
	var taken []namedListener
	for i := range n {
		fd := firstInherited + i
		ln, err := reactor.NewListener(uintptr(fd))
		if err != nil {
			closeAll(taken)
			return nil, fmt.Errorf("LISTEN_FDS=%d, but descriptor %d is no listening stream socket: %w", n, fd, err)
		}
		taken = append(taken, namedListener{Listener: ln})
		if names != nil {
			taken[i].name = names[i]
		}
	}
	return taken, nil
}
