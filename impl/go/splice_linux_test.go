package kcom5

// What Linux moves by itself, what is done where it cannot, and the buffers that it is asked for.

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"kcom5/internal/wholefile"
)

// A client that has ended cannot confirm that it took a file's very pages, which can change.
func TestTheSystemSendsAFileUnlessItCannotOrTheClientHasEnded(t *testing.T) {
	data := counter(32 << 20) // more than the buffers hold
	for _, row := range []struct {
		flags            int // of the file that the system is to send
		hasEnded, isRead bool
	}{{os.O_RDONLY, false, false}, {os.O_WRONLY, false, true}, {os.O_RDONLY, true, true}} {
		name := filepath.Join(t.TempDir(), "file")
		os.WriteFile(name, data, 0o600)
		in, err := openInput(background, name, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer in.close()
		from := in.source()
		if row.flags != os.O_RDONLY {
			if from.file, err = os.OpenFile(name, row.flags, 0); err != nil {
				t.Fatal(err)
			}
			defer from.file.Close()
		}
		next, reads, second := from.next, 0, make(chan bool)
		from.next = func(left uint64) ([]byte, error) {
			if reads++; reads == 2 {
				close(second)
			}
			return next(left)
		}
		server, conn, err := opened(background)
		if err != nil {
			t.Fatal(err)
		}
		server.Timeout = 5 * time.Second
		got := make(chan []byte)
		go func() {
			conn.Write([]byte(goodHello))
			io.ReadFull(conn, make([]byte, 8+12+1))
			if row.hasEnded {
				conn.(*net.TCPConn).CloseWrite()
				<-second
			}
			rest, _ := io.ReadAll(conn)
			conn.Close()
			got <- rest
		}()
		if err := errOf(server.send(background, uint64(len(data)), from)); err != nil {
			t.Fatal(err)
		}
		if isRead := reads > 1; !bytes.Equal(<-got, data[1:]) || isRead != row.isRead {
			t.Errorf("%+v: other data, or %d reads", row, reads)
		}
	}
}

// inFile is a sink of a file that has its name already.
type inFile struct{ *fileSink }

func (inFile) publish() error { return nil }

func TestWhatAPipeHoldsGetsIntoAFileOrTheErrorIsTold(t *testing.T) {
	data := counter(3 << 20)
	for _, row := range []struct {
		flags        int
		moves, fails bool
	}{{os.O_WRONLY, true, false}, {os.O_WRONLY | os.O_APPEND, false, false}, {os.O_RDONLY, false, true}} {
		name := filepath.Join(t.TempDir(), "file")
		os.WriteFile(name, nil, 0o600)
		file, err := os.OpenFile(name, row.flags, 0)
		if err != nil {
			t.Fatal(err)
		}
		to, moves := &fileSink{file: &wholefile.File{Regular: file}, moves: true}, false
		path := filepath.Join(t.TempDir(), "s") // with a path nothing of the data comes along with the head
		_, err = pair(func(s *Server) error {
			s.Path = path
			return errOf(s.Send(background, data))
		}, func(c *Client) error {
			c.Path, c.Progress = path, func(uint64, uint64) { moves = to.moves }
			return c.receive(background, func() (sink, error) { return inFile{to}, nil })
		})
		if row.fails {
			isNamed(t, err, ErrIO)
			continue
		}
		if got, _ := os.ReadFile(name); err != nil || moves != row.moves || !bytes.Equal(got, data) {
			t.Errorf("flags %x: %v, moves %v, %d octets", row.flags, err, moves, len(got))
		}
	}
}

func TestAPipeIsForRegularFilesAndMoreThanAPiece(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	for _, row := range []struct {
		name string
		left uint64
		has  bool
	}{{file, pieceSize, false}, {file, pieceSize + 1, true}, {os.DevNull, pieceSize + 1, false}} {
		sink, err := openFileSink(background, row.name, wholefile.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer sink.discard()
		if has := sink.pipe(row.left) != nil; has != row.has {
			t.Errorf("%s, %d octets: %v", row.name, row.left, has)
		}
		if err := sink.moved(0); err != nil || sink.pipe(row.left) != nil {
			t.Error("a pipe that cannot be filled is kept", err)
		}
	}
}

// (`time.bounds`: to try it by reading then would take the time twice)
func TestToFillAPipeEndsInTime(t *testing.T) {
	server, conn, err := opened(background)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	defer conn.Close()
	pipe := openPipe()
	defer pipe.close()
	if _, err = newStream(background, conn).fill(pipe, 1, time.Now()); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}

func TestAPathsBufferIsLargeForMuchDataWhereTheSystemGrantsIt(t *testing.T) {
	text, err := os.ReadFile("/proc/sys/net/core/wmem_max")
	if err != nil {
		t.Fatal(err)
	}
	most, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	for _, size := range []int{64 << 10, 64<<10 + 1} {
		path, largest := filepath.Join(t.TempDir(), "s"), 0
		sendErr, receiveErr := pair(func(s *Server) error {
			s.Path = path
			return errOf(s.Send(background, counter(size)))
		}, func(c *Client) error {
			c.Path = path
			c.Progress = func(uint64, uint64) {
				if now := largestBuffer(); now > largest {
					largest = now
				}
			}
			_, err := c.Receive(background)
			return err
		})
		// The system counts twice what is asked for.
		isLarge, isGranted := largest >= 2<<20, size > 64<<10 && most >= 1<<20
		if err := first(sendErr, receiveErr); err != nil || isLarge != isGranted {
			t.Errorf("%d octets: %v, a buffer of %d, the system grants %d", size, err, largest, most)
		}
	}
}

// largestBuffer is the size of the largest buffer from which a socket of this process sends.
func largestBuffer() (largest int) {
	for fd := 0; fd < 256; fd++ {
		size, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_SNDBUF)
		if err == nil && size > largest {
			largest = size
		}
	}
	return largest
}
