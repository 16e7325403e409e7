//go:build linux || darwin

package kcom5

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const goodHello = "KCOM5\xaa\xbb\xcc"

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
func pair(t *testing.T, send func(*Server) error, receive func(*Client) error) (sendErr, receiveErr error) {
	t.Helper()
	server, client := &Server{Port: AnyPort, Timeout: 30 * time.Second}, &Client{Timeout: 30 * time.Second}
	port, err := server.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	client.Port = port
	sent := make(chan error, 1)
	go func() { sent <- send(server) }()
	receiveErr = receive(client)
	return <-sent, receiveErr
}

func isNamed(t *testing.T, err error, name Name) {
	t.Helper()
	var failed *Error
	if !errors.As(err, &failed) || failed.Name != name || failed.Detail == "" {
		t.Errorf("got %v, expected %s", err, name)
	}
}

func namesIn(t *testing.T, directory string) string {
	t.Helper()
	entries, err := os.ReadDir(directory)
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name()
	}
	return strings.Join(names, " ")
}

func TestTheDefaultsAreThoseOfTheSpec(t *testing.T) {
	var server Server
	var client Client
	if server.port() != 13600 || client.port() != 13600 || bound(server.Timeout) != 150*time.Second || bound(Forever) != 0 {
		t.Error(server.port(), client.port(), bound(server.Timeout), bound(Forever))
	}
	if server.Port = AnyPort; server.port() != 0 {
		t.Error(server.port())
	}
	if client.place() != "[::1]:13600" {
		t.Error(client.place())
	}
}

func TestMemoryGoesToMemoryWithItsMessageAndProgress(t *testing.T) {
	needIPv6(t)
	data := counter(3<<20 + 1)
	var got []byte
	var message string
	var sentDone, receivedDone uint64
	sendErr, receiveErr := pair(t, func(s *Server) error {
		s.Message = "한국어"
		s.Progress = func(done, total uint64) { sentDone = done * 10 / total }
		return errOf(s.Send(context.Background(), data))
	}, func(c *Client) (err error) {
		c.Progress = func(done, total uint64) { receivedDone = done * 10 / total }
		got, err = c.Receive(context.Background())
		message = c.Message
		return err
	})
	if first(sendErr, receiveErr) != nil || !bytes.Equal(got, data) || message != "한국어" || sentDone != 10 || receivedDone != 10 {
		t.Error(sendErr, receiveErr, message, sentDone, receivedDone)
	}
}

// (`limit.memory`)
func TestMemoryGrowsWithWhatHasArrivedAndIsInTheEndOfTheRightSize(t *testing.T) {
	for _, declared := range []uint64{1, 64 << 10, 64<<10 + 1, 1<<20 - 1, 4<<20 + 3, 1<<64 - 1} {
		sink, moved := &memorySink{}, 0
		for have := uint64(0); have < declared && have < 8<<20; {
			before := cap(sink.data)
			room := sink.room(declared - have)
			most := 8*have + 8
			if most < 64<<10 {
				most = 64 << 10
			}
			if len(room) == 0 || uint64(len(room)) > declared-have || uint64(cap(sink.data)) > most {
				t.Fatalf("%d of %d: room for %d, in %d", have, declared, len(room), cap(sink.data))
			}
			if cap(sink.data) != before {
				moved += int(have)
			}
			size := smaller(uint64(len(room)), 99999)
			for i := range room[:size] {
				room[i] = byte((have + uint64(i)) % 251)
			}
			sink.took(size)
			have += uint64(size)
		}
		if !bytes.Equal(sink.data, counter(len(sink.data))) {
			t.Errorf("%d: other octets", declared)
		}
		if declared < 8<<20 && (uint64(cap(sink.data)) != declared || moved > int(declared/7)) {
			t.Errorf("%d: %d are set aside, %d have moved", declared, cap(sink.data), moved)
		}
	}
}

func TestAFileGoesToAFile(t *testing.T) {
	needIPv6(t)
	directory := t.TempDir()
	source, target := filepath.Join(directory, "source"), filepath.Join(directory, "target")
	data := counter(3<<20 + 1)
	os.WriteFile(source, data, 0o644)
	sendErr, receiveErr := pair(t,
		func(s *Server) error { return errOf(s.SendFile(context.Background(), source)) },
		func(c *Client) error { return c.ReceiveFile(context.Background(), target) })
	got, _ := os.ReadFile(target)
	info, err := os.Stat(target)
	if first(sendErr, receiveErr, err) != nil || !bytes.Equal(got, data) || info.Mode() != 0o600 {
		t.Error(sendErr, receiveErr, err)
	}
	if names := namesIn(t, directory); names != "source target" {
		t.Error(names)
	}
}

func TestAReaderOfUnknownLengthIsReadBeforeTheServerListens(t *testing.T) {
	needIPv6(t)
	t.Setenv("TMPDIR", t.TempDir())
	reader, writer := io.Pipe()
	server := &Server{}
	server.Port = AnyPort
	ended := false
	ports := make(chan int, 1)
	server.Listening = func(port int) {
		if !ended {
			t.Error("it listens before the end")
		}
		ports <- port
	}
	go func() {
		writer.Write(counter(1 << 20))
		ended = true
		writer.Close()
	}()
	sent := make(chan error, 1)
	go func() { sent <- errOf(server.SendFrom(context.Background(), reader, -1)) }()
	client := &Client{}
	client.Port = <-ports
	var got bytes.Buffer
	err := client.ReceiveTo(context.Background(), &got)
	if err := first(err, <-sent); err != nil || !bytes.Equal(got.Bytes(), counter(1<<20)) {
		t.Error(err)
	}
	if names := namesIn(t, os.Getenv("TMPDIR")); names != "" {
		t.Error(names)
	}
}

func TestAReaderThatEndsEarlyIsIOAndLeavesNoFile(t *testing.T) {
	needIPv6(t)
	directory := t.TempDir()
	target := filepath.Join(directory, "target")
	os.WriteFile(target, []byte("old"), 0o600)
	sendErr, receiveErr := pair(t,
		func(s *Server) error {
			return errOf(s.SendFrom(context.Background(), bytes.NewReader(make([]byte, 3<<20)), 4<<20))
		},
		func(c *Client) error { return c.ReceiveFile(context.Background(), target) })
	isNamed(t, sendErr, ErrIO)
	isNamed(t, receiveErr, ErrTruncated)
	if old, _ := os.ReadFile(target); string(old) != "old" || namesIn(t, directory) != "target" {
		t.Error(namesIn(t, directory))
	}
}

func TestAFileThatBecomesShorterIsIOAndLeavesNoFile(t *testing.T) {
	needIPv6(t)
	directory := t.TempDir()
	source, target := filepath.Join(directory, "source"), filepath.Join(directory, "target")
	os.WriteFile(source, make([]byte, 8<<20), 0o600)
	sendErr, receiveErr := pair(t,
		func(s *Server) error {
			s.Progress = func(uint64, uint64) { os.Truncate(source, 2<<20) }
			return errOf(s.SendFile(context.Background(), source))
		},
		func(c *Client) error { return c.ReceiveFile(context.Background(), target) })
	isNamed(t, sendErr, ErrIO)
	isNamed(t, receiveErr, ErrTruncated)
	if names := namesIn(t, directory); names != "source" {
		t.Error(names)
	}
}

// (`time.stall`, `close.confirm`)
func TestAClientThatTakesNoMoreOfAFileOrIsResetIsNamed(t *testing.T) {
	needIPv6(t)
	for _, isReset := range []bool{false, true} {
		file, err := fileOf(make([]byte, 32<<20))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		server := serverOf(nil)
		server.Timeout = 1 * time.Second
		conn, err := rawClientOf(context.Background(), server)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.Write([]byte(goodHello))
		name := ErrTimeout
		if isReset {
			name = ErrUnconfirmed
			server.Progress = func(done, _ uint64) {
				if done > 1<<20 {
					conn.(*net.TCPConn).SetLinger(0)
					conn.Close()
				}
			}
		}
		go io.CopyN(io.Discard, conn, 2<<20)
		isNamed(t, errOf(server.SendFrom(context.Background(), file, 32<<20)), name)
	}
}

func TestAReadersOwnResetIsNotTheClients(t *testing.T) {
	needIPv6(t)
	sendErr, _ := pair(t,
		func(s *Server) error {
			return errOf(s.SendFrom(context.Background(), failing{syscall.ECONNRESET}, 1))
		},
		func(c *Client) error { _, err := c.Receive(context.Background()); return err })
	isNamed(t, sendErr, ErrIO)
	if !errors.Is(sendErr, syscall.ECONNRESET) {
		t.Error(sendErr)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// (`close.abort`)
func TestAWriterThatFailsIsIOAndTheServerKnows(t *testing.T) {
	needIPv6(t)
	sendErr, receiveErr := pair(t,
		func(s *Server) error { return errOf(s.Send(context.Background(), []byte("abc"))) },
		func(c *Client) error { return c.ReceiveTo(context.Background(), failing{syscall.ENOSPC}) })
	isNamed(t, receiveErr, ErrIO)
	isNamed(t, sendErr, ErrUnconfirmed)
}

// (`close.abort`: what is stored is stored before the close)
func TestAFileThatCannotGetItsNameIsIOAndTheServerKnows(t *testing.T) {
	needIPv6(t)
	directory := t.TempDir()
	target := filepath.Join(directory, "target")
	sendErr, receiveErr := pair(t,
		func(s *Server) error { return errOf(s.Send(context.Background(), []byte("abc"))) },
		func(c *Client) error {
			c.Progress = func(uint64, uint64) { os.MkdirAll(filepath.Join(target, "inside"), 0o700) }
			return c.ReceiveFile(context.Background(), target)
		})
	isNamed(t, receiveErr, ErrIO)
	isNamed(t, sendErr, ErrUnconfirmed)
	if names := namesIn(t, directory); names != "target" {
		t.Error(names)
	}
}

func TestALinkIsFollowedAlsoToNothing(t *testing.T) {
	needIPv6(t)
	directory := t.TempDir()
	link := filepath.Join(directory, "link")
	os.Mkdir(filepath.Join(directory, "sub"), 0o700)
	os.Symlink("sub/target", link)
	for i := 0; i < 2; i++ {
		sendErr, receiveErr := pair(t,
			func(s *Server) error { return errOf(s.Send(context.Background(), []byte("abc"))) },
			func(c *Client) error { return c.ReceiveFile(context.Background(), link) })
		if err := first(sendErr, receiveErr); err != nil {
			t.Error(err)
		}
	}
	got, _ := os.ReadFile(filepath.Join(directory, "sub", "target"))
	if _, err := os.Readlink(link); err != nil || string(got) != "abc" || namesIn(t, filepath.Dir(link)+"/sub") != "target" {
		t.Error(err, got)
	}
}

func TestWhatIsNoRegularFileIsWrittenTo(t *testing.T) {
	needIPv6(t)
	sendErr, receiveErr := pair(t,
		func(s *Server) error { return errOf(s.Send(context.Background(), []byte("abc"))) },
		func(c *Client) error { return c.ReceiveFile(context.Background(), os.DevNull) })
	info, err := os.Stat(os.DevNull)
	if first(sendErr, receiveErr, err) != nil || info.Mode()&os.ModeCharDevice == 0 {
		t.Error(sendErr, receiveErr, err)
	}
}

// (`listen.port`: port, message, and only then a socket)
func TestWhatIsWrongWithACallIsToldInOrder(t *testing.T) {
	server := &Server{}
	server.Port, server.Message = 65536, "\xff"
	isNamed(t, errOf(server.Send(context.Background(), nil)), ErrInvalidPort)
	server.Port = AnyPort
	isNamed(t, errOf(server.Send(context.Background(), nil)), ErrMessageNotUTF8)
	client := &Client{Port: AnyPort}
	_, err := client.Receive(context.Background())
	isNamed(t, err, ErrInvalidPort)
}

func TestAnOpenServerListensAndCanBeClosed(t *testing.T) {
	needIPv6(t)
	server := &Server{}
	server.Port = AnyPort
	port, err := server.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	other := &Server{}
	other.Port = port
	_, err = other.Open(context.Background())
	isNamed(t, err, ErrInUse)
	server.Close()
	if _, err := other.Open(context.Background()); err != nil {
		t.Error(err)
	}
	other.Close()
}

// The timer of a context may be late: its end is seen by the clock before the context says so.
func TestABoundThatIsOverBeforeItsTimerIsATimeout(t *testing.T) {
	client := &Client{Path: filepath.Join(t.TempDir(), "s")}
	listening, err := net.Listen("unix", client.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer listening.Close()
	for i := 0; i < 200; i++ {
		conn, err := client.dial(context.Background(), time.Now().Add(time.Duration(i%20)*time.Microsecond))
		if err == nil {
			conn.Close()
			listening.(*net.UnixListener).SetDeadline(time.Now().Add(patience))
			if conn, err = listening.Accept(); err == nil {
				conn.Close()
			}
			continue
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
	}
}

func TestAPathMayBeginWithAnAtSign(t *testing.T) {
	directory := t.TempDir()
	old, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	defer os.Chdir(old)
	os.Chdir(directory)
	server, client := &Server{}, &Client{}
	server.Path, client.Path = "@s", "@s"
	if _, err := server.Open(context.Background()); err != nil || namesIn(t, ".") != "@s" {
		t.Fatal(err, namesIn(t, "."))
	}
	sent := make(chan error, 1)
	go func() { sent <- errOf(server.Send(context.Background(), []byte("abc"))) }()
	data, err := client.Receive(context.Background())
	if err := first(err, <-sent); err != nil || string(data) != "abc" || namesIn(t, ".") != "" {
		t.Error(err)
	}
	server.Path = "a\x00b"
	isNamed(t, errOf(server.Send(context.Background(), nil)), ErrIO)
}
