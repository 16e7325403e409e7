//go:build linux || darwin

package kcom5

// What only a caller in Go can do: readers, writers and callbacks, Open and Close.

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

var background = context.Background()

func counter(size int) []byte {
	octets := make([]byte, size)
	for i := range octets {
		octets[i] = byte(i % 251)
	}
	return octets
}

// errOf is the error of a send.
func errOf(_ Sent, err error) error { return err }

// pair is a server on a port of the system's choice, and a client of it once it listens.
func pair(send func(*Server) error, receive func(*Client) error) (sendErr, receiveErr error) {
	server := &Server{Port: AnyPort, IPv4: true, Timeout: 30 * time.Second}
	client := &Client{IPv4: true, Timeout: 30 * time.Second}
	ports, sent := make(chan int, 1), make(chan error, 1)
	server.Listening = func(port int) { ports <- port }
	go func() { sent <- send(server) }()
	select {
	case client.Port = <-ports:
		receiveErr = receive(client)
		return <-sent, receiveErr
	case sendErr = <-sent:
		return sendErr, nil
	}
}

func isNamed(t *testing.T, err error, name Name) {
	t.Helper()
	var failed *Error
	if !errors.As(err, &failed) || failed.Name != name || failed.Detail == "" {
		t.Errorf("got %v, expected %s", err, name)
	}
}

func TestAReaderOfUnknownLengthIsReadBeforeTheServerListens(t *testing.T) {
	directory := t.TempDir()
	t.Setenv("TMPDIR", directory)
	data, hasEnded := counter(3<<20+1), false
	reader, writer := io.Pipe()
	go func() {
		writer.Write(data)
		hasEnded = true
		writer.Close()
	}()
	var got bytes.Buffer
	var sent, received [2]uint64
	sendErr, receiveErr := pair(func(s *Server) error {
		listening := s.Listening
		s.Listening = func(port int) {
			if !hasEnded {
				t.Error("it listens before the end")
			}
			listening(port)
		}
		s.Progress = func(done, total uint64) { sent = [2]uint64{done, total} }
		return errOf(s.SendFrom(background, reader, -1))
	}, func(c *Client) error {
		c.Progress = func(done, total uint64) { received = [2]uint64{done, total} }
		return c.ReceiveTo(background, &got)
	})
	if err := first(sendErr, receiveErr); err != nil || !bytes.Equal(got.Bytes(), data) {
		t.Error(err, got.Len())
	}
	if size := uint64(len(data)); sent != [2]uint64{size, size} || received != sent {
		t.Error(sent, received)
	}
	if left, err := os.ReadDir(directory); err != nil || len(left) > 0 {
		t.Error(left, err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// (`close.abort`: also an error of a reader or writer that looks like one of the connection)
func TestAReaderOrWriterThatFailsIsIOAndTheOtherEndKnows(t *testing.T) {
	directory := t.TempDir()
	target := filepath.Join(directory, "target")
	os.WriteFile(target, []byte("old"), 0o600)
	toFile := func(c *Client) error { return c.ReceiveFile(background, target) }
	sendErr, receiveErr := pair(func(s *Server) error {
		return errOf(s.SendFrom(background, bytes.NewReader(make([]byte, 3<<20)), 4<<20))
	}, toFile)
	isNamed(t, sendErr, ErrIO)
	isNamed(t, receiveErr, ErrTruncated)
	sendErr, receiveErr = pair(func(s *Server) error {
		return errOf(s.SendFrom(background, failing{syscall.ECONNRESET}, 1))
	}, toFile)
	isNamed(t, sendErr, ErrIO)
	if !errors.Is(sendErr, syscall.ECONNRESET) || receiveErr == nil {
		t.Error(sendErr, receiveErr)
	}
	sendErr, receiveErr = pair(
		func(s *Server) error { return errOf(s.Send(background, []byte("abc"))) },
		func(c *Client) error { return c.ReceiveTo(background, failing{syscall.ENOSPC}) })
	isNamed(t, sendErr, ErrUnconfirmed)
	isNamed(t, receiveErr, ErrIO)
	if !errors.Is(receiveErr, syscall.ENOSPC) {
		t.Error(receiveErr)
	}
	client := &Client{MessageFile: filepath.Join(directory, "message")}
	isNamed(t, client.ReceiveFile(background, filepath.Join(directory, "none", "file")), ErrIO)
	old, _ := os.ReadFile(target)
	if left, err := os.ReadDir(directory); string(old) != "old" || err != nil || len(left) != 1 {
		t.Error(left, err)
	}
}

func TestTheLargestAndTheSmallestTimeoutWork(t *testing.T) {
	if bound(0) != 150*time.Second {
		t.Error(bound(0))
	}
	for _, timeout := range []time.Duration{math.MaxInt64, math.MinInt64, 0, Forever} {
		sendErr, receiveErr := pair(
			func(s *Server) error { s.Timeout = timeout; return errOf(s.Send(background, []byte("abc"))) },
			func(c *Client) error { c.Timeout = timeout; _, err := c.Receive(background); return err })
		if err := first(sendErr, receiveErr); err != nil {
			t.Error(timeout, err)
		}
	}
}

// The timer of a context may be late: its end is seen by the clock before the context says so.
func TestABoundMayBeOverBeforeItsTimer(t *testing.T) {
	client := &Client{Path: filepath.Join(t.TempDir(), "s")}
	listening, err := net.Listen("unix", client.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer listening.Close()
	go func() {
		for conn, err := listening.Accept(); err == nil; conn, err = listening.Accept() {
			conn.Close()
		}
	}()
	for i := 0; i < 200; i++ {
		conn, err := client.dial(background, time.Now().Add(time.Duration(i%20)*time.Microsecond))
		if err == nil {
			conn.Close()
		} else if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
	}
}

// (`limit.memory`)
func TestMemoryGrowsWithWhatHasArrivedAndIsInTheEndOfTheRightSize(t *testing.T) {
	for _, declared := range []uint64{1, 64 << 10, 64<<10 + 1, 1<<20 - 1, 4<<20 + 3, math.MaxUint64} {
		sink, have, moved := &memorySink{}, uint64(0), uint64(0)
		for have < declared && have < 8<<20 {
			before := cap(sink.data)
			room := sink.room(declared - have)
			isTooMuch := cap(sink.data) > 64<<10 && uint64(cap(sink.data)) > 8*have+8
			if len(room) == 0 || uint64(len(room)) > declared-have || isTooMuch {
				t.Fatalf("%d of %d: room for %d, in %d", have, declared, len(room), cap(sink.data))
			}
			if cap(sink.data) != before {
				moved += have
			}
			size := smaller(uint64(len(room)), 99999)
			for i := range room[:size] {
				room[i] = byte((have + uint64(i)) % 251)
			}
			sink.took(size)
			have += uint64(size)
		}
		if !bytes.Equal(sink.data, counter(int(have))) {
			t.Errorf("%d: other octets", declared)
		}
		if have == declared && (uint64(cap(sink.data)) != declared || moved > declared/7) {
			t.Errorf("%d: %d are set aside, %d have moved", declared, cap(sink.data), moved)
		}
	}
}
