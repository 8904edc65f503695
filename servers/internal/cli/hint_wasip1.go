package cli

import "errors"

// hint says what to do about an error.
func hint(err error) string {
	if errors.Is(err, errors.ErrUnsupported) {
		return ": WASI lets a program serve sockets that its runtime opened, and open none: run tcp_listenfd_server"
	}
	return ""
}
