package kcom5

// What Linux moves by itself, and what is done where it cannot.

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"kcom5/internal/wholefile"
)

// countedSource is a file as a source, and tells how often it is read.
func countedSource(t *testing.T, data []byte, read func(times int)) source {
	file, err := fileOf(data)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	from, times := inputOf(file, int64(len(data))).source(), 0
	next := from.next
	from.next = func(left uint64) ([]byte, error) { times++; read(times); return next(left) }
	return from
}

func TestTheSystemSendsAFileAfterItsFirstPiece(t *testing.T) {
	needIPv6(t)
	data, reads := counter(5<<20), 0
	from := countedSource(t, data, func(times int) { reads = times })
	var got []byte
	sendErr, receiveErr := pair(t,
		func(s *Server) error { return errOf(s.send(context.Background(), uint64(len(data)), from)) },
		func(c *Client) (err error) { got, err = c.Receive(context.Background()); return err })
	if first(sendErr, receiveErr) != nil || !bytes.Equal(got, data) || reads != 1 {
		t.Error(sendErr, receiveErr, len(got), reads)
	}
}

func TestAFileIsReadWhereTheSystemCannotSendIt(t *testing.T) {
	needIPv6(t)
	data := counter(5 << 20)
	from := countedSource(t, data, func(int) {})
	file, err := os.OpenFile(filepath.Join(t.TempDir(), "file"), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	from.file = file
	var got []byte
	sendErr, receiveErr := pair(t,
		func(s *Server) error { return errOf(s.send(context.Background(), uint64(len(data)), from)) },
		func(c *Client) (err error) { got, err = c.Receive(context.Background()); return err })
	if first(sendErr, receiveErr) != nil || !bytes.Equal(got, data) {
		t.Error(sendErr, receiveErr, len(got))
	}
}

// (`time.bounds`: to try it by reading then would take the time twice)
func TestToFillAPipeEndsInTime(t *testing.T) {
	needIPv6(t)
	server := serverOf(nil)
	conn, err := rawClientOf(context.Background(), server)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	defer conn.Close()
	pipe := openPipe()
	defer pipe.close()
	_, err = newStream(context.Background(), conn).fill(pipe, 1, time.Now())
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}

// A client that has ended cannot confirm that it took a file's very pages.
func TestAFileIsReadForAClientThatHasEnded(t *testing.T) {
	needIPv6(t)
	data, isRead := counter(32<<20), make(chan bool) // more than the buffers hold
	server := serverOf(nil)
	server.Timeout = 5 * time.Second
	conn, err := rawClientOf(context.Background(), server)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.Write([]byte(goodHello))
	got := make(chan []byte)
	go func() {
		octets := make([]byte, 8+12+1)
		io.ReadFull(conn, octets)
		conn.(*net.TCPConn).CloseWrite()
		<-isRead
		rest, _ := io.ReadAll(conn)
		got <- append(octets[8+12:], rest...)
	}()
	from := countedSource(t, data, func(times int) {
		if times == 2 {
			close(isRead)
		}
	})
	if err := errOf(server.send(context.Background(), uint64(len(data)), from)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(<-got, data) {
		t.Error("other data")
	}
}

func TestAPipeIsForRegularFilesAndMoreThanAPiece(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	for _, c := range []struct {
		name string
		left uint64
		has  bool
	}{{file, pieceSize, false}, {file, pieceSize + 1, true}, {os.DevNull, pieceSize + 1, false}} {
		opened, err := openFileSink(context.Background(), c.name, wholefile.Options{})
		if err != nil {
			t.Fatal(err)
		}
		sink := opened.(*fileSink)
		defer sink.discard()
		if has := sink.pipe(c.left) != nil; has != c.has {
			t.Errorf("%s, %d octets: %v", c.name, c.left, has)
		}
		if sink.filled == nil {
			continue
		}
		if err := sink.moved(0); err != nil || sink.pipe(c.left) != nil {
			t.Error("a pipe that cannot be filled is kept", err)
		}
	}
}

func TestWhatAPipeHoldsGetsIntoAFileOrTheErrorIsTold(t *testing.T) {
	data := counter(100_000)
	for _, c := range []struct {
		flags        int
		moves, fails bool
	}{{os.O_WRONLY, true, false}, {os.O_WRONLY | os.O_APPEND, false, false}, {os.O_RDONLY, false, true}} {
		name := filepath.Join(t.TempDir(), "file")
		os.WriteFile(name, nil, 0o600)
		file, err := os.OpenFile(name, c.flags, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		go func() {
			if conn, err := net.Dial("tcp", listener.Addr().String()); err == nil {
				conn.Write(data)
				conn.Close()
			}
		}()
		conn, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		pipe := openPipe()
		defer pipe.close()
		size := 0
		for {
			n, err := pipe.fill(conn, 30_000)
			if err == io.EOF {
				break
			}
			if err != nil || n > 30_000 {
				t.Fatal(n, err)
			}
			size += n
			if moves, err := pipe.empty(file, n); moves != c.moves || (err != nil) != c.fails {
				t.Errorf("flags %x: moves %v, %v", c.flags, moves, err)
			}
		}
		if got, _ := os.ReadFile(name); size != len(data) || !c.fails && !bytes.Equal(got, data) {
			t.Errorf("flags %x: %d octets, %d of them in the file", c.flags, size, len(got))
		}
	}
}
