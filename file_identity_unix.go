//go:build aix || solaris || (reactor_poll && unix)

package reactor

import (
	"os"

	"golang.org/x/sys/unix"
)

// A fileIdentity tells one open file from the next that has its number.
type fileIdentity struct{ dev, ino uint64 }

func identify(fd uintptr) (fileIdentity, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(fd), &st); err != nil {
		return fileIdentity{}, os.NewSyscallError("fstat", err)
	}
	return fileIdentity{uint64(st.Dev), uint64(st.Ino)}, nil
}
