//go:build linux || darwin

package kcom5

// Success is a state, and both ends hear the same. Spec: "Closing".

import (
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

// resettingServer accepts and resets at once, until the test ends.
func resettingServer(t *testing.T) (port int) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
		}
	}()
	return listener.Addr().(*net.TCPAddr).Port
}

// (`result.success`: before, a reset in the state connecting was a success without data)
func TestAResetWhileConnectingIsNeverASuccess(t *testing.T) {
	client := &Client{}
	client.IPv4, client.Port, client.Timeout = true, resettingServer(t), 20*time.Second
	for i := 0; i < 5000; i++ {
		data, err := client.Receive(context.Background())
		if !errors.Is(err, ErrInvalidConnection) || data != nil {
			t.Fatalf("exchange %d: %q, %v", i, data, err)
		}
	}
}

func TestOfSixReceiversOneSucceeds(t *testing.T) {
	needIPv6(t)
	for i := 0; i < 50; i++ {
		server := &Server{}
		server.Port, server.Timeout = AnyPort, 20*time.Second
		port, err := server.Open(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		got := make(chan string, 6)
		for j := 0; j < 6; j++ {
			go func() {
				client := &Client{}
				client.Port, client.Timeout = port, 20*time.Second
				data, err := client.Receive(context.Background())
				if err == nil {
					got <- "data " + string(data)
				} else {
					got <- err.Error()
				}
			}()
		}
		if sent, err := server.Send(context.Background(), []byte("abc")); err != nil || sent != (Sent{3, true}) {
			t.Error(err, sent)
		}
		count := 0
		for j := 0; j < 6; j++ {
			if result := <-got; strings.HasPrefix(result, "data ") {
				count++
				if result != "data abc" {
					t.Error(result)
				}
			}
		}
		if count != 1 {
			t.Fatalf("%d of six have succeeded", count)
		}
	}
}

// (`close.last`: AF_UNIX has no reset but one, closing with an octet unread)
func TestAReceiverThatCannotStoreIsNoSuccessOfTheSender(t *testing.T) {
	needIPv6(t)
	for _, data := range []string{"", "a", "abc", string(counter(3 << 20))} {
		for _, isUnix := range []bool{false, true} {
			directory := t.TempDir()
			server, client := &Server{}, &Client{}
			server.Port, server.Timeout, client.Timeout = AnyPort, 20*time.Second, 20*time.Second
			if isUnix {
				server.Path = filepath.Join(directory, "s")
				client.Path = server.Path
			}
			port, err := server.Open(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			client.Port = port
			sent := make(chan error, 1)
			go func() { sent <- errOf(server.Send(context.Background(), []byte(data))) }()
			err = client.receive(context.Background(), func() (sink, error) { return failingSink{&memorySink{data: []byte{}}}, nil })
			if !errors.Is(err, syscall.ENOSPC) {
				t.Error(err)
			}
			isNamed(t, err, ErrIO)
			isNamed(t, <-sent, ErrUnconfirmed)
		}
	}
}

// failingSink takes everything, and cannot store it.
type failingSink struct{ *memorySink }

func (failingSink) publish() error { return syscall.ENOSPC }

// (`close.confirm`)
func TestAnEarlyHalfCloseIsASuccessThatIsNotConfirmed(t *testing.T) {
	needIPv6(t)
	for _, network := range []string{"tcp", "unix"} {
		server := &Server{}
		server.Port, server.Timeout = AnyPort, 20*time.Second
		if network == "unix" {
			server.Path = filepath.Join(t.TempDir(), "s")
		}
		port, err := server.Open(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		address := endpoint{true, port}.address()
		if network == "unix" {
			address = server.Path
		}
		conn, err := net.Dial(network, address)
		if err != nil {
			t.Fatal(err)
		}
		conn.Write([]byte(goodHello))
		conn.(interface{ CloseWrite() error }).CloseWrite()
		go io.Copy(io.Discard, conn)
		if sent, err := server.Send(context.Background(), make([]byte, 8<<20)); err != nil || sent != (Sent{8 << 20, false}) {
			t.Errorf("%s: %v, %v", network, err, sent)
		}
		conn.Close()
	}
}

// (`close.keep`)
func TestAServerThatGivesUpAfterItsHalfCloseDestroysNothing(t *testing.T) {
	needIPv6(t)
	server := &Server{}
	server.Port, server.Timeout = AnyPort, 1*time.Second
	conn, err := rawClientOf(context.Background(), server)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.(*net.TCPConn).SetReadBuffer(256 << 10)
	conn.Write([]byte(goodHello))
	isNamed(t, errOf(server.Send(context.Background(), counter(150_000))), ErrUnconfirmed)
	octets, err := io.ReadAll(conn)
	if err != nil || len(octets) != 8+12+150_000 {
		t.Error(len(octets), err)
	}
}

func TestTheLargestAndTheSmallestTimeoutWork(t *testing.T) {
	needIPv6(t)
	for _, bound := range []time.Duration{1<<63 - 1, -1 << 63, 0, Forever} {
		sendErr, receiveErr := pair(t,
			func(s *Server) error { s.Timeout = bound; return errOf(s.Send(context.Background(), []byte("abc"))) },
			func(c *Client) error { c.Timeout = bound; _, err := c.Receive(context.Background()); return err })
		if err := first(sendErr, receiveErr); err != nil {
			t.Error(bound, err)
		}
	}
}

// (`close.residue`)
func TestACallbackThatPanicsLeavesNothing(t *testing.T) {
	needIPv6(t)
	panics := func(name string, call func()) {
		defer func() {
			if recover() == nil {
				t.Errorf("%s: no panic", name)
			}
		}()
		call()
	}
	pair(t, func(s *Server) error { return errOf(s.Send(context.Background(), nil)) }, func(c *Client) error { _, err := c.Receive(context.Background()); return err })
	before := openDescriptors(t) // with what the runtime keeps for its poller
	directory := t.TempDir()
	path := filepath.Join(directory, "s")
	server := &Server{}
	server.Path, server.Timeout = path, 5*time.Second
	server.Listening = func(int) { panic("listening") }
	panics("listening", func() { server.Send(context.Background(), nil) })
	server.Listening = nil
	panics("spooling", func() {
		server.SendFrom(context.Background(), readerFunc(func([]byte) (int, error) { panic("reader") }), -1)
	})
	receive := func(wanted Name) chan struct{} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			client := &Client{}
			client.Path, client.Wait = path, 10*time.Second
			_, err := client.Receive(context.Background())
			isNamed(t, err, wanted)
		}()
		return done
	}
	done := receive(ErrTruncated)
	server.Progress = func(uint64, uint64) { panic("progress") }
	panics("sending", func() { server.Send(context.Background(), counter(5<<20)) })
	<-done
	server.Progress = nil
	sent := make(chan error, 1)
	if _, err := server.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	go func() { sent <- errOf(server.Send(context.Background(), []byte("abc"))) }()
	client := &Client{}
	client.Path = path
	client.Progress = func(uint64, uint64) { panic("progress") }
	target := filepath.Join(directory, "target")
	panics("receiving", func() { client.ReceiveFile(context.Background(), target) })
	isNamed(t, <-sent, ErrUnconfirmed)
	if names := namesIn(t, directory); names != "" {
		t.Error(names)
	}
	if after := openDescriptors(t); after > before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}

// (`unix.path`)
func TestOfTwoServersOnOneStalePathOneListens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for i := 0; i < 200; i++ {
		stale(t, path)
		results := make(chan *Server, 2)
		for j := 0; j < 2; j++ {
			go func() {
				server := &Server{}
				server.Path, server.Timeout = path, 20*time.Second
				if _, err := server.Open(context.Background()); err != nil {
					isNamed(t, err, ErrInUse)
					server = nil
				}
				results <- server
			}()
		}
		one, other := <-results, <-results
		if (one == nil) == (other == nil) {
			t.Fatalf("round %d: %v %v", i, one, other)
		}
		if one == nil {
			one = other
		}
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		one.Close()
	}
}

func stale(t *testing.T, path string) {
	t.Helper()
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	listener.SetUnlinkOnClose(false)
	listener.Close()
}

func TestWhatIsAtAPathDecides(t *testing.T) {
	directory := t.TempDir()
	at := func(name string) string { return filepath.Join(directory, name) }
	os.WriteFile(at("file"), []byte("mine"), 0o600)
	os.Mkdir(at("folder"), 0o700)
	os.Symlink("file", at("link"))
	os.Symlink("loop", at("loop"))
	os.Symlink("nothing", at("dangling"))
	syscall.Mkfifo(at("pipe"), 0o600)
	datagrams, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: at("datagram"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer datagrams.Close()
	stale(t, at("stale"))
	long := at(strings.Repeat("x", mostPath+1-len(directory)-1))
	for _, row := range []struct {
		path           string
		server, client Name
		words          string
	}{
		{at("none"), "", ErrRefused, ""},
		{at("file"), ErrInUse, ErrRefused, "is not a socket"},
		{at("folder"), ErrInUse, ErrRefused, "is not a socket"},
		{at("folder") + "/", ErrInUse, ErrRefused, "is not a socket"},
		{at("pipe"), ErrInUse, ErrRefused, "is not a socket"},
		{at("link"), ErrInUse, ErrRefused, "is a symbolic link"},
		{at("dangling"), ErrInUse, ErrRefused, "is a symbolic link"},
		{at("loop"), ErrInUse, ErrIO, "is a symbolic link"},
		{at("datagram"), ErrInUse, ErrIO, "another server listens there"},
		{at("stale"), "", ErrRefused, ""},
		{at("missing/s"), ErrIO, ErrIO, "no such file or directory"},
		{at("file/s"), ErrIO, ErrIO, "not a directory"},
		{at("loop/s"), ErrIO, ErrIO, "too many levels of symbolic links"},
		{at("a\x00b"), ErrIO, ErrIO, "the path has a NUL byte"},
		{long, ErrIO, ErrIO, "the path has 108 bytes, expected at most 107"},
	} {
		client := &Client{}
		client.Path, client.Timeout = row.path, 5*time.Second
		_, err := client.Receive(context.Background())
		isNamed(t, err, row.client)
		server := &Server{}
		server.Path = row.path
		_, err = server.Open(context.Background())
		server.Close()
		if row.server == "" {
			if err != nil {
				t.Error(row.path, err)
			}
			continue
		}
		isNamed(t, err, row.server)
		if err != nil && !strings.HasSuffix(err.Error(), row.path+": "+row.words) {
			t.Errorf("%q: %v", row.path, err)
		}
	}
	if names := namesIn(t, directory); names != "dangling datagram file folder link loop pipe" {
		t.Error(names)
	}
}
