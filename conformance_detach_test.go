//go:build !unix

package reactor_test

import (
	"errors"
	"os"
)

// detach is for systems where descriptors can be duplicated.
func detach(*os.File) (uintptr, error) { return 0, errors.ErrUnsupported }
