package servers

import (
	"errors"
	"syscall"

	"github.com/goreactor/reactor"
)

const howToPassListeners = "start the server as in: wasmtime run -S preview2=n -S tcplisten=127.0.0.1:9000 --env LISTEN_FDS=1 server.wasm"

// inheritListeners takes over the listeners that the environment names, or that are found among the preopened
// descriptors.
func inheritListeners() ([]namedListener, error) {
	env, err := takeListenEnv()
	if err != nil {
		return nil, err
	}
	if !env.fdsSet {
		return findListeners()
	}
	env.pidSet = false // there are no processes
	n, names, err := env.parse(0)
	if err != nil {
		return nil, err
	}
	return adopt(n, names)
}

// findListeners takes over every listener among the descriptors. Runtimes number what they open for a program
// without gaps, directories among it.
func findListeners() ([]namedListener, error) {
	var found []namedListener
	for fd := firstInherited; fd < maxInherited; fd++ {
		ln, err := reactor.NewListener(uintptr(fd))
		if errors.Is(err, syscall.EBADF) {
			break
		}
		if err == nil {
			found = append(found, namedListener{Listener: ln})
		}
	}
	if len(found) == 0 {
		return nil, errors.New("no listening sockets were passed; " + howToPassListeners)
	}
	return found, nil
}
