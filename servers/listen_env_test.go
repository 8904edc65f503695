//go:build unix || wasip1

package servers

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// FuzzListenEnv looks for values of the variables that are accepted and should not be, or crash.
func FuzzListenEnv(f *testing.F) {
	for _, fds := range []string{"", "0", "1", "-1", "+1", "01", "0x1", "1e3", "2147483644", "2147483645", "99999999999999999999", " 1", "1\n", "١"} {
		f.Add(fds, "", "", false, false)
		f.Add(fds, "1", "", true, false)
		f.Add(fds, strconv.Itoa(os.Getpid()), "a:b:c", true, true)
	}
	const self = 4242
	f.Fuzz(func(t *testing.T, fds, pid, names string, pidSet, namesSet bool) {
		env := listenEnv{fds: fds, pid: pid, names: names, fdsSet: true, pidSet: pidSet, namesSet: namesSet}
		n, given, err := env.parse(self)
		if err != nil {
			if n != 0 || given != nil {
				t.Errorf("%+v: %d, %q beside the error %v", env, n, given, err)
			}
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("%+v: the error has more than one line: %q", env, err)
			}
			return
		}
		if n < 1 || n > maxInherited {
			t.Errorf("%+v: %d sockets", env, n)
		}
		if strings.Trim(fds, "+0123456789") != "" {
			t.Errorf("%+v: taken for a number", env)
		}
		if pidSet && strings.TrimLeft(pid, "+0") != strconv.Itoa(self) {
			t.Errorf("%+v: another's sockets were accepted", env)
		}
		if namesSet && (len(given) != n || strings.Join(given, ":") != names) || !namesSet && given != nil {
			t.Errorf("%+v: names %q", env, given)
		}
	})
}

func TestListenVariablesAreUnsetOnceTheyAreRead(t *testing.T) {
	// Setenv has the test put back what was there.
	for name, value := range map[string]string{"LISTEN_FDS": "2", "LISTEN_PID": "17", "LISTEN_FDNAMES": "a:b"} {
		t.Setenv(name, value)
	}
	env, err := takeListenEnv()
	if err != nil {
		t.Fatal(err)
	}
	if want := (listenEnv{fds: "2", pid: "17", names: "a:b", fdsSet: true, pidSet: true, namesSet: true}); env != want {
		t.Errorf("got %+v, and not %+v", env, want)
	}
	if env, err = takeListenEnv(); err != nil || env != (listenEnv{}) {
		t.Errorf("the second time it gave %+v, %v", env, err)
	}
}
