//go:build unix

package servers

import "os"

const howToPassListeners = "start the server as in: systemd-socket-activate -l 127.0.0.1:9000 tcp_listenfd_server"

// inheritListeners takes over the listeners that the environment names.
func inheritListeners() ([]namedListener, error) {
	env, err := takeListenEnv()
	if err != nil {
		return nil, err
	}
	n, names, err := env.parse(os.Getpid())
	if err != nil {
		return nil, err
	}
	return adopt(n, names)
}
