package servers_test

import (
	"os/exec"
	"strings"
	"testing"
)

func TestBadFlagsEndWithStatus2AndALineThatNamesTheFault(t *testing.T) {
	for _, c := range []struct {
		name, args, want string
	}{
		{"tcp_server", "-nonsense", "-nonsense"},
		{"tcp_server", "-addr", "-addr"},
		{"tcp_server", "-addr nonsense", "missing port"},
		{"tcp_server", "-addr 127.0.0.1", "missing port"},
		{"tcp_server", "-addr 127.0.0.1:x", `port "x"`},
		{"tcp_server", "-addr 127.0.0.1:65536", `port "65536"`},
		{"tcp_server", "-addr 127.0.0.1:-1", `port "-1"`},
		{"tcp_server", "-addr ::1:9000", "too many colons"},
		{"tcp_server", "-loops 0", "from 1 to 1024"},
		{"tcp_server", "-loops -4", "from 1 to 1024"},
		{"tcp_server", "-loops many", "from 1 to 1024"},
		{"tcp_server", "-loops 100000", "from 1 to 1024"},
		{"tcp_server", "-max-conns 0", "from 1 to"},
		{"tcp_server", "-max-conns 99999999999999999999", "from 1 to"},
		{"tcp_server", "-log loud", "debug, info, warn or error"},
		{"tcp_server", "extra", `unexpected argument "extra"`},
		{"tcp_listenfd_server", "-addr 127.0.0.1:9000", "-addr"},
		{"tcp_listenfd_server", "-loops 0", "from 1 to 1024"},
		{"udp_server", "-max-conns 5", "-max-conns"},
		{"udp_server", "-addr 127.0.0.1", "missing port"},
	} {
		t.Run(c.name+" "+c.args, func(t *testing.T) {
			status, said := runToEnd(t, exec.Command(program(t, c.name), strings.Fields(c.args)...))
			first, rest, _ := strings.Cut(said, "\n")
			if status != 2 || !strings.HasPrefix(first, c.name+": ") || !strings.Contains(first, c.want) {
				t.Errorf("status %d, %q", status, said)
			}
			if rest != "" {
				t.Errorf("after the line that names the fault it says %q", rest)
			}
		})
	}
}

func TestHelpNamesTheFlags(t *testing.T) {
	for name, flags := range map[string][]string{
		"tcp_server":          {"-addr", "-loops", "-max-conns", "-log"},
		"tcp_listenfd_server": {"-loops", "-max-conns", "-log"},
		"udp_server":          {"-addr", "-loops", "-log"},
	} {
		status, said := runToEnd(t, exec.Command(program(t, name), "-h"))
		if status != 0 {
			t.Errorf("%s -h: status %d", name, status)
		}
		for _, f := range flags {
			if !strings.Contains(said, "  "+f+" ") {
				t.Errorf("%s -h does not name %s: %s", name, f, said)
			}
		}
	}
}

func TestWhatFailsEndsWithStatus1AndOneLine(t *testing.T) {
	for _, c := range []struct {
		name, args, want string
	}{
		{"tcp_server", "-addr no-such-host.invalid:9000", "no-such-host.invalid"},
		{"udp_server", "-addr no-such-host.invalid:9000", "no-such-host.invalid"},
		{"tcp_server", "-addr 192.0.2.1:9000", "192.0.2.1:9000"}, // an address for documentation: nobody's
		{"udp_server", "-addr 192.0.2.1:9000", "192.0.2.1:9000"},
	} {
		t.Run(c.name+" "+c.args, func(t *testing.T) {
			status, said := runToEnd(t, exec.Command(program(t, c.name), strings.Fields(c.args)...))
			if strings.Contains(said, "unsupported operation") {
				t.Skipf("not on this system: %s", said)
			}
			if status != 1 || strings.Count(said, "\n") != 1 || !strings.HasPrefix(said, c.name+": ") || !strings.Contains(said, c.want) {
				t.Errorf("status %d, %q", status, said)
			}
		})
	}
}
