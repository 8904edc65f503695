//go:build !unix && !wasip1 && !windows

package servers

import (
	"errors"
	"fmt"
	"runtime"
)

// inheritListeners takes over the listeners that the process inherited.
func inheritListeners() ([]namedListener, error) {
	return nil, fmt.Errorf("inherited listening sockets: %w on %s", errors.ErrUnsupported, runtime.GOOS)
}
