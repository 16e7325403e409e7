//go:build linux || darwin

package kcom5

// A caller that gives up in every phase, and what is left of any outcome.

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"kcom5/internal/wholefile"
)

// phases start a call that is to be cancelled in some phase; each calls cancel when it is there.
var phases = map[string]func(ctx context.Context, cancel func()) error{
	"server, before": func(ctx context.Context, cancel func()) error {
		cancel()
		return errOf(serverOf(nil).Send(ctx, nil))
	},
	"server, listening": func(ctx context.Context, cancel func()) error {
		return errOf(serverOf(func(int) { cancel() }).Send(ctx, nil))
	},
	"server, spooling": func(ctx context.Context, cancel func()) error {
		return errOf(serverOf(nil).SendFrom(ctx, readerFunc(func(octets []byte) (int, error) { cancel(); return len(octets), nil }), -1))
	},
	"server, hello": func(ctx context.Context, cancel func()) error {
		return withRawClient(ctx, nil, func(conn net.Conn) { conn.Write([]byte("KCOM5")); cancel() })
	},
	"server, sending": func(ctx context.Context, cancel func()) error {
		return withRawClient(ctx, make([]byte, 32<<20), func(conn net.Conn) {
			conn.Write([]byte(goodHello))
			io.ReadFull(conn, make([]byte, 100))
			cancel()
		})
	},
	"server, sending a file": func(ctx context.Context, cancel func()) error {
		file, err := fileOf(make([]byte, 32<<20))
		if err != nil {
			return err
		}
		defer file.Close()
		return withRawClientOf(ctx, 32<<20, inputOf(file, 32<<20).source(), func(conn net.Conn) {
			conn.Write([]byte(goodHello))
			io.ReadFull(conn, make([]byte, 2<<20)) // more than is read and written
			cancel()
		})
	},
	"server, confirming": func(ctx context.Context, cancel func()) error {
		return withRawClient(ctx, nil, func(conn net.Conn) {
			conn.Write([]byte(goodHello))
			io.ReadFull(conn, make([]byte, 8+12))
			conn.Read(make([]byte, 1)) // its end
			cancel()
		})
	},
	"client, before": func(ctx context.Context, cancel func()) error {
		cancel()
		_, err := (&Client{}).Receive(ctx)
		return err
	},
	"client, echo": func(ctx context.Context, cancel func()) error {
		return withRawServer(ctx, func(conn net.Conn) { io.ReadFull(conn, make([]byte, 8)); cancel() })
	},
	"client, data": func(ctx context.Context, cancel func()) error {
		return withRawServer(ctx, func(conn net.Conn) {
			hello := make([]byte, 8)
			io.ReadFull(conn, hello)
			conn.Write(append(hello, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1))
			cancel()
		})
	},
	"client, storing a file": func(ctx context.Context, cancel func()) error {
		directory, err := os.MkdirTemp("", "")
		if err != nil {
			return err
		}
		defer os.Remove(directory) // fails if anything is left in it
		sink, err := openFileSink(ctx, filepath.Join(directory, "target"), wholefile.Options{})
		if err != nil {
			return err
		}
		err = withRawServerTo(ctx, sink, func(conn net.Conn) {
			hello := make([]byte, 8)
			io.ReadFull(conn, hello)
			conn.Write(append(hello, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0))
			conn.Write(make([]byte, 2<<20)) // more than is read and written
			cancel()
		})
		if entries, _ := os.ReadDir(directory); len(entries) > 0 {
			return errors.New("a file is left")
		}
		return err
	},
}

// fileOf has no name, and is at its start.
func fileOf(data []byte) (*os.File, error) {
	in, err := inputOf(bytes.NewReader(data), -1).spooled(context.Background(), "")
	if err != nil {
		return nil, err
	}
	return in.reader.(*os.File), nil
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(octets []byte) (int, error) { return f(octets) }

func serverOf(listening func(int)) *Server {
	return &Server{Port: AnyPort, Timeout: Forever, Listening: listening}
}

// rawClientOf is connected; the server has opened, and does nothing yet.
func rawClientOf(ctx context.Context, server *Server) (net.Conn, error) {
	if _, err := server.Open(ctx); err != nil {
		return nil, err
	}
	return net.Dial("tcp", server.open.Addr().String())
}

// withRawClient sends to a client that acts and stays; the call has to end, and the client is reset.
func withRawClient(ctx context.Context, data []byte, act func(net.Conn)) error {
	return withRawClientOf(ctx, uint64(len(data)), fromMemory(data), act)
}

func withRawClientOf(ctx context.Context, size uint64, from source, act func(net.Conn)) error {
	server := serverOf(nil)
	conn, err := rawClientOf(ctx, server)
	if err != nil {
		return err
	}
	defer conn.Close()
	acted := make(chan struct{})
	go func() { defer close(acted); act(conn) }()
	err = errOf(server.send(ctx, size, from))
	<-acted
	if _, how := io.Copy(io.Discard, conn); how == nil && size > 0 {
		return errors.New("the client is not reset")
	}
	return err
}

// withRawServer receives from a server that acts and stays; the call has to end, and the server is reset.
func withRawServer(ctx context.Context, act func(net.Conn)) error {
	return withRawServerTo(ctx, &memorySink{data: []byte{}}, act)
}

func withRawServerTo(ctx context.Context, to sink, act func(net.Conn)) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	client := &Client{Port: listener.Addr().(*net.TCPAddr).Port, IPv4: true, Timeout: Forever}
	acted := make(chan error, 1)
	go func() {
		conn, err := listener.Accept()
		listener.Close()
		if err == nil {
			act(conn)
			if _, err = io.Copy(io.Discard, conn); err == nil {
				err = errors.New("the server is not reset")
			} else {
				err = nil
			}
			conn.Close()
		}
		acted <- err
	}()
	err = client.receive(ctx, func() (sink, error) { return to, nil })
	return first(<-acted, err)
}

func TestAContextThatEndsEndsTheCallInEveryPhase(t *testing.T) {
	needIPv6(t)
	for name, phase := range phases {
		ctx, cancel := context.WithCancel(context.Background())
		err := phase(ctx, cancel)
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
		isNamed(t, err, ErrIO)
	}
}

func TestADeadlineOfAContextIsNoT(t *testing.T) {
	needIPv6(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	err := errOf(serverOf(nil).Send(ctx, nil))
	isNamed(t, err, ErrIO)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// (`close.residue`)
func TestNothingIsLeftOfAnyOutcome(t *testing.T) {
	needIPv6(t)
	all := func() {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		pair(t, func(s *Server) error { return errOf(s.Send(ctx, []byte("abc"))) },
			func(c *Client) error { _, err := c.Receive(ctx); return err })
		pair(t, func(s *Server) error { return errOf(s.Send(context.Background(), make([]byte, 1<<20))) },
			func(c *Client) error { return c.ReceiveTo(ctx, failing{io.ErrShortWrite}) })
		withRawClient(ctx, nil, func(conn net.Conn) { conn.Write([]byte("GET / HTTP/1.1\r\n\r\n")) })
		withRawClient(ctx, nil, func(conn net.Conn) { conn.Write([]byte(goodHello)); conn.(*net.TCPConn).CloseWrite() })
		refused := &Client{}
		refused.Path = "/nonexistent/socket"
		refused.Receive(ctx)
		for name, phase := range phases {
			if name != "server, spooling" { // its reader may still be running
				ctx, cancel := context.WithCancel(context.Background())
				phase(ctx, cancel)
				cancel()
			}
		}
	}
	all()
	goroutines, descriptors := runtime.NumGoroutine(), openDescriptors(t)
	for i := 0; i < 50; i++ {
		all()
	}
	// A goroutine that has closed its channel may need a moment to be gone.
	for end := time.Now().Add(patience); runtime.NumGoroutine() > goroutines && time.Now().Before(end); {
		runtime.Gosched()
	}
	if now := runtime.NumGoroutine(); now > goroutines {
		t.Errorf("%d goroutines, and %d before", now, goroutines)
	}
	if now := openDescriptors(t); now > descriptors {
		t.Errorf("%d descriptors, and %d before", now, descriptors)
	}
}

func openDescriptors(t *testing.T) int {
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
