package reactor_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/goreactor/reactor"
)

func newPipe(t testing.TB) (*reactor.PipeReader, *reactor.PipeWriter) {
	t.Helper()
	r, w, err := reactor.Pipe()
	supported(t, "pipe", err)
	closeLater(t, r)
	closeLater(t, w)
	return r, w
}

func TestPipeCarriesBytesThenEOF(t *testing.T) {
	r, w := newPipe(t)
	buf := make([]byte, 16)
	n, err := r.Read(buf)
	wantResult(t, "Read of nothing", n, err, 0, reactor.ErrWouldBlock)
	n, err = w.Write([]byte("through"))
	wantResult(t, "Write", n, err, 7, nil)
	n, err = r.Read(buf[:3])
	wantResult(t, "Read", n, err, 3, nil)
	n, err = r.Read(buf[3:])
	wantResult(t, "Read", n, err, 4, nil)
	if string(buf[:7]) != "through" {
		t.Errorf("read %q", buf[:7])
	}
	n, err = r.Read(buf)
	wantResult(t, "Read of nothing", n, err, 0, reactor.ErrWouldBlock)
	n, err = w.Write([]byte("last"))
	wantResult(t, "Write", n, err, 4, nil)
	check(t, "Close", w.Close())
	n, err = r.Read(buf)
	wantResult(t, "Read of what is left", n, err, 4, nil)
	for range 2 {
		n, err = r.Read(buf)
		wantResult(t, "Read", n, err, 0, io.EOF)
	}
}

func TestPipeEmptyBuffersAreZeroNil(t *testing.T) {
	r, w := newPipe(t)
	for _, p := range [][]byte{nil, {}} {
		n, err := r.Read(p)
		wantResult(t, "Read", n, err, 0, nil)
		n, err = w.Write(p)
		wantResult(t, "Write", n, err, 0, nil)
	}
	n, err := r.Read(make([]byte, 1))
	wantResult(t, "Read", n, err, 0, reactor.ErrWouldBlock)
}

func TestPipeWriteThatTakesPartGivesItsCountAndErrWouldBlock(t *testing.T) {
	r, w := newPipe(t)
	data := pattern(4 << 20)
	n, err := w.Write(data)
	if n <= 0 || n >= len(data) || err != reactor.ErrWouldBlock {
		t.Fatalf("Write of %d bytes = %d, %v; want a part and ErrWouldBlock", len(data), n, err)
	}
	m, err := w.Write(data[n:])
	wantResult(t, "Write to a full pipe", m, err, 0, reactor.ErrWouldBlock)
	if got := readFull(t, nil, r, n); !bytes.Equal(got, data[:n]) {
		t.Error("the bytes differ")
	}
	m, err = r.Read(make([]byte, 1))
	wantResult(t, "Read of nothing", m, err, 0, reactor.ErrWouldBlock)
}

func TestPipeTransferArrivesWhole(t *testing.T) {
	r, w := newPipe(t)
	data := pattern(8 << 20)
	if got := transfer(t, w, r, data); !bytes.Equal(got, data) {
		t.Error("the bytes differ")
	}
}

func TestWriteToAPipeWithoutAReaderIsAnError(t *testing.T) {
	r, w := newPipe(t)
	check(t, "Close", r.Close())
	for range 2 {
		n, err := w.Write([]byte("x"))
		if n != 0 {
			t.Errorf("Write takes %d bytes", n)
		}
		wantErr(t, "Write", err, errnoPipe)
		wantOpError(t, err)
	}
}

const childVariable = "REACTOR_TEST_CHILD"

// child gives the command that runs this test binary as the child of the name.
func child(t testing.TB, name string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Skipf("the test binary cannot run itself here: %v", err)
	}
	cmd := exec.Command(self, "-test.run=^TestChild$")
	cmd.Env = append(os.Environ(), childVariable+"="+name)
	cmd.Stderr = os.Stderr
	return cmd
}

// children are what the test binary does when it runs itself.
var children = map[string]func() error{
	// Echo what comes, in capitals: the parent watches its pipes by a Poll.
	"capitals": func() error {
		text, err := io.ReadAll(os.Stdin)
		if err == nil {
			_, err = os.Stdout.WriteString(strings.ToUpper(string(text)))
		}
		return err
	},
}

// TestChild is no test: it is what the test binary does as a child.
func TestChild(t *testing.T) {
	name := os.Getenv(childVariable)
	if name == "" {
		t.Skip("only as the child of another test")
	}
	run, ok := children[name]
	if !ok {
		t.Fatalf("no child %q", name)
	}
	if err := run(); err != nil {
		t.Fatal(err)
	}
	os.Exit(0) // without the testing package's words on the standard output
}

// adoptPipe takes over the descriptor of a file, which it closes.
func adoptPipe[T any](t testing.TB, f *os.File, adopt func(uintptr) (*T, error)) *T {
	t.Helper()
	fd, err := detach(f)
	supported(t, "detaching a descriptor", err)
	p, err := adopt(fd)
	check(t, "taking over the child's pipe", err)
	return p
}

func TestChildsPipesAreReadAndWritten(t *testing.T) {
	newPipe(t) // where there are no pipes, there is nothing to take over
	cmd := child(t, "capitals")
	childIn, ourIn, err := os.Pipe()
	check(t, "os.Pipe", err)
	ourOut, childOut, err := os.Pipe()
	check(t, "os.Pipe", err)
	cmd.Stdin, cmd.Stdout = childIn, childOut
	if err := cmd.Start(); err != nil {
		t.Skipf("no child processes here: %v", err)
	}
	check(t, "Close", errors.Join(childIn.Close(), childOut.Close()))
	w := adoptPipe(t, ourIn, reactor.NewPipeWriter)
	r := adoptPipe(t, ourOut, reactor.NewPipeReader)
	closeLater(t, r)
	writeFull(t, nil, w, []byte("from the parent"))
	check(t, "Close", w.Close())
	if got := readAll(t, nil, r); string(got) != "FROM THE PARENT" {
		t.Errorf("the child wrote %q", got)
	}
	check(t, "the child", cmd.Wait())
}
