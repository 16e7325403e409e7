//go:build linux || darwin

package kcom5

// A caller that gives up in every phase, callbacks that panic, and what is left of any outcome.

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

const (
	goodHello = "KCOM5\xaa\xbb\xcc"
	patience  = 40 * time.Second // a wait that is longer is a hang
)

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(octets []byte) (int, error) { return f(octets) }

// opened is a server that listens, and a client without a protocol that is connected to it.
func opened(ctx context.Context) (*Server, net.Conn, error) {
	server := &Server{Port: AnyPort, IPv4: true, Timeout: Forever}
	if _, err := server.Open(ctx); err != nil {
		return nil, nil, err
	}
	conn, err := net.Dial("tcp", server.open.Addr().String())
	return server, conn, err
}

// sendTo sends to a client that acts and stays. It is reset, unless there is no data.
func sendTo(ctx context.Context, data []byte, act func(net.Conn)) error {
	server, conn, err := opened(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	acted := make(chan struct{})
	go func() { defer close(acted); act(conn) }()
	err = errOf(server.Send(ctx, data))
	<-acted
	if _, how := io.Copy(io.Discard, conn); how == nil && len(data) > 0 {
		return errors.New("the client is not reset")
	}
	return err
}

// receiveFrom receives from a server that acts and stays. It is reset.
func receiveFrom(ctx context.Context, act func(net.Conn)) error {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	acted := make(chan error, 1)
	go func() {
		conn, err := listener.Accept()
		listener.Close()
		if err == nil {
			act(conn)
			if _, how := io.Copy(io.Discard, conn); how == nil {
				err = errors.New("the server is not reset")
			}
			conn.Close()
		}
		acted <- err
	}()
	client := &Client{Port: listener.Addr().(*net.TCPAddr).Port, IPv4: true, Timeout: Forever}
	_, err = client.Receive(ctx)
	return first(<-acted, err)
}

// phases start a call that is to be cancelled in some phase; each calls cancel when it is there.
var phases = map[string]func(ctx context.Context, cancel func()) error{
	"server, before": func(ctx context.Context, cancel func()) error {
		cancel()
		return errOf((&Server{Port: AnyPort, IPv4: true}).Send(ctx, nil))
	},
	"server, listening": func(ctx context.Context, cancel func()) error {
		server := &Server{Port: AnyPort, IPv4: true, Timeout: Forever, Listening: func(int) { cancel() }}
		return errOf(server.Send(ctx, nil))
	},
	"server, spooling": func(ctx context.Context, cancel func()) error {
		endless := readerFunc(func(octets []byte) (int, error) { cancel(); return len(octets), nil })
		return errOf((&Server{Port: AnyPort, IPv4: true}).SendFrom(ctx, endless, -1))
	},
	"server, hello": func(ctx context.Context, cancel func()) error {
		return sendTo(ctx, nil, func(conn net.Conn) { conn.Write([]byte("KCOM5")); cancel() })
	},
	"server, sending": func(ctx context.Context, cancel func()) error {
		return sendTo(ctx, make([]byte, 32<<20), func(conn net.Conn) {
			conn.Write([]byte(goodHello))
			io.ReadFull(conn, make([]byte, 100))
			cancel()
		})
	},
	"server, confirming": func(ctx context.Context, cancel func()) error {
		return sendTo(ctx, nil, func(conn net.Conn) {
			conn.Write([]byte(goodHello))
			io.Copy(io.Discard, conn)
			cancel()
		})
	},
	"client, before": func(ctx context.Context, cancel func()) error {
		cancel()
		_, err := (&Client{}).Receive(ctx)
		return err
	},
	"client, echo": func(ctx context.Context, cancel func()) error {
		return receiveFrom(ctx, func(conn net.Conn) { io.ReadFull(conn, make([]byte, 8)); cancel() })
	},
	"client, data": func(ctx context.Context, cancel func()) error {
		return receiveFrom(ctx, func(conn net.Conn) {
			hello := make([]byte, 8)
			io.ReadFull(conn, hello)
			conn.Write(append(hello, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1))
			cancel()
		})
	},
}

func giveUpInEveryPhase(t *testing.T) {
	for name, phase := range phases {
		ctx, cancel := context.WithCancel(background)
		err := phase(ctx, cancel)
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
		isNamed(t, err, ErrIO)
	}
	// A deadline of the caller is no timeout of the protocol.
	ctx, cancel := context.WithTimeout(background, time.Millisecond)
	defer cancel()
	err := errOf((&Server{Port: AnyPort, IPv4: true, Timeout: Forever}).Send(ctx, nil))
	isNamed(t, err, ErrIO)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// panicking expects the callback's panic out of a call.
func panicking(t *testing.T, call func() error) error {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	return call()
}

func panicInEveryCallback(t *testing.T) {
	directory := t.TempDir()
	path := filepath.Join(directory, "s")
	panics := func(uint64, uint64) { panic("progress") }
	panicking(t, func() error {
		server := &Server{Path: path, Listening: func(int) { panic("listening") }}
		return errOf(server.Send(background, nil))
	})
	panicking(t, func() error {
		reader := readerFunc(func([]byte) (int, error) { panic("reader") })
		return errOf((&Server{Path: path}).SendFrom(background, reader, -1))
	})
	_, err := pair(func(s *Server) error {
		s.Path, s.Progress = path, panics
		return panicking(t, func() error { return errOf(s.Send(background, make([]byte, 5<<20))) })
	}, func(c *Client) error {
		c.Path = path
		_, err := c.Receive(background)
		return err
	})
	isNamed(t, err, ErrTruncated)
	err, _ = pair(func(s *Server) error {
		s.Path = path
		return errOf(s.Send(background, make([]byte, 5<<20))) // for which the client has a pipe
	}, func(c *Client) error {
		c.Path, c.Progress = path, panics
		return panicking(t, func() error { return c.ReceiveFile(background, filepath.Join(directory, "target")) })
	})
	isNamed(t, err, ErrUnconfirmed)
	if left, err := os.ReadDir(directory); err != nil || len(left) > 0 {
		t.Error(left, err)
	}
}

func endInOtherWays(ctx context.Context) {
	pair(func(s *Server) error { return errOf(s.Send(ctx, []byte("abc"))) },
		func(c *Client) error { _, err := c.Receive(ctx); return err })
	pair(func(s *Server) error { return errOf(s.Send(ctx, make([]byte, 1<<20))) },
		func(c *Client) error { return c.ReceiveTo(ctx, failing{io.ErrShortWrite}) })
	sendTo(ctx, nil, func(conn net.Conn) { conn.Write([]byte("GET / HTTP/1.1\r\n\r\n")) })
	sendTo(ctx, nil, func(conn net.Conn) { conn.Write([]byte(goodHello)); conn.(*net.TCPConn).CloseWrite() })
	(&Client{Path: "/nonexistent/socket"}).Receive(ctx)
}

// (`close.residue`)
func TestNothingIsLeftOfAnyOutcome(t *testing.T) {
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	var goroutines, descriptors int
	for i := 0; i < 30 && !t.Failed(); i++ {
		giveUpInEveryPhase(t)
		panicInEveryCallback(t)
		endInOtherWays(ctx)
		if i == 0 { // with what the runtime keeps
			goroutines, descriptors = usage(t)
		}
	}
	// What ends in another goroutine may need a moment.
	end := time.Now().Add(patience)
	now, open := usage(t)
	for (now > goroutines || open > descriptors) && time.Now().Before(end) {
		runtime.Gosched()
		now, open = usage(t)
	}
	if now > goroutines || open > descriptors {
		t.Errorf("%d goroutines, %d descriptors, and before %d, %d", now, open, goroutines, descriptors)
	}
}

func usage(t *testing.T) (goroutines, descriptors int) {
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Fatal(err)
	}
	return runtime.NumGoroutine(), len(entries)
}
