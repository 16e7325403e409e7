package kcom5

// A connection: reads and writes within a bound, and how it is ended. Not here: what is said on it. Spec: "Listening and
// connecting", "Closing", "Time".

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"kcom5/core"
)

// past is a deadline that interrupts.
var past = time.Unix(1, 0)

// endpoint is a place on the loopback.
type endpoint struct {
	ipv6 bool
	port int
}

func (e endpoint) network() string {
	if e.ipv6 {
		return "tcp6"
	}
	return "tcp4"
}

// address is of the loopback, and literal: no name is resolved (`listen.loopback`).
func (e endpoint) address() string {
	if e.ipv6 {
		return net.JoinHostPort("::1", strconv.Itoa(e.port))
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(e.port))
}

// stream is a connection. Its waits end early when ctx does.
type stream struct {
	net.Conn
	ctx      context.Context
	stop     func()
	isClosed bool
	isUnix   bool
	drained  chan struct{} // closed when draining has ended; nil before it starts
	drainErr error         // then: io.EOF or what the system said
}

func newStream(ctx context.Context, conn net.Conn) *stream {
	stop := interruptOnDone(ctx, func() { conn.SetDeadline(past) })
	_, isUnix := conn.(*net.UnixConn)
	return &stream{Conn: conn, ctx: ctx, stop: stop, isUnix: isUnix}
}

// drain reads and throws away, beside everything else, until the peer's end (`close.extra`).
func (s *stream) drain() {
	s.SetReadDeadline(time.Time{})
	s.drained = make(chan struct{})
	go func() {
		defer close(s.drained)
		var octets [4096]byte
		for s.drainErr == nil {
			_, s.drainErr = s.Conn.Read(octets[:])
		}
	}()
}

// hasDrained tells, without waiting, whether the peer's end has been seen.
func (s *stream) hasDrained() bool {
	select {
	case <-s.drained:
		return true
	default:
		return false
	}
}

// interruptOnDone calls interrupt if ctx ends before stop is called. When stop returns nothing is left of it.
func interruptOnDone(ctx context.Context, interrupt func()) (stop func()) {
	if ctx.Done() == nil {
		return func() {}
	}
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-ctx.Done():
			interrupt()
		case <-quit:
		}
	}()
	return func() { close(quit); <-ended }
}

// lastLook is the time for a last try when a bound has passed (`time.late`): the system is not even asked with a deadline
// in the past.
const lastLook = time.Millisecond

// await tries until end. What came before the end counts, also if nobody was there to see the end pass.
func await(ctx context.Context, end time.Time, setDeadline func(time.Time) error, try func() error) error {
	for isLastLook := false; ; isLastLook = true {
		setDeadline(end)
		if err := ctx.Err(); err != nil {
			return err // asked after the deadline is set, which may have undone the interruption
		}
		err := try()
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		if isLastLook || ctx.Err() != nil {
			return first(ctx.Err(), err)
		}
		end = time.Now().Add(lastLook)
	}
}

// read waits until end for bytes.
func (s *stream) read(octets []byte, end time.Time) (n int, err error) {
	err = await(s.ctx, end, s.SetReadDeadline, func() error {
		n, err = s.Conn.Read(octets)
		return err
	})
	return n, err
}

// peek does the same, and leaves the bytes unread.
func (s *stream) peek(octets []byte, end time.Time) (n int, err error) {
	err = await(s.ctx, end, s.SetReadDeadline, func() error {
		n, err = peek(s.Conn, octets)
		return err
	})
	return n, err
}

// fill waits until end for bytes, at most most, and puts them into a pipe. None and no error: the system cannot, read
// does, or tells better what is wrong.
func (s *stream) fill(pipe *pipe, most uint64, end time.Time) (n int, err error) {
	err = await(s.ctx, end, s.SetReadDeadline, func() error {
		n, err = pipe.fill(s.Conn, most)
		return err
	})
	if err != nil && eventOf(err) == core.Failure {
		return 0, nil
	}
	return n, err
}

// write writes until end, and tells how many bytes the system took.
func (s *stream) write(octets *net.Buffers, end time.Time) (int64, error) {
	return s.send(end, func() (int64, error) { return octets.WriteTo(s.Conn) })
}

// sendFile does the same with bytes of a file from its position on, at most most. None and no error: it has none.
func (s *stream) sendFile(file *os.File, most uint64, end time.Time) (int64, error) {
	return s.send(end, func() (int64, error) {
		n, err := sendFile(s.Conn, file, most)
		return int64(n), err
	})
}

func (s *stream) send(end time.Time, some func() (int64, error)) (int64, error) {
	if soon := time.Now().Add(lastLook); !end.IsZero() && end.Before(soon) {
		end = soon
	}
	s.SetWriteDeadline(end)
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := some()
	if err != nil {
		err = first(s.ctx.Err(), err)
	}
	return n, err
}

// finish closes in order.
func (s *stream) finish() { s.end(-1) }

// abort closes with a reset, where the system can (`close.abort`). After finish it does nothing.
func (s *stream) abort() { s.end(0) }

// end leaves nothing of the stream (`close.residue`).
func (s *stream) end(linger int) {
	if s.isClosed {
		return
	}
	s.isClosed = true
	s.stop()
	if linger < 0 && s.drained != nil {
		s.readAway()
	}
	s.linger(linger)
	s.Conn.Close()
	if s.drained != nil {
		<-s.drained
	}
}

// readAway reads what has arrived: a close with bytes unread would be a reset (`close.keep`). A context that ended may
// have stopped the reading before.
func (s *stream) readAway() {
	end := time.Now().Add(time.Millisecond)
	s.SetReadDeadline(end)
	<-s.drained
	var octets [4096]byte
	for time.Now().Before(end) {
		if _, err := s.Conn.Read(octets[:]); err != nil {
			return
		}
	}
}

// linger is what a close is from now on: a reset (0), or in order (-1).
func (s *stream) linger(how int) {
	if tcp, ok := s.Conn.(*net.TCPConn); ok {
		tcp.SetLinger(how)
	}
}

// halfClose ends the sending. From now on nothing that the peer's system holds is destroyed by a reset (`close.keep`).
func (s *stream) halfClose() error {
	s.linger(-1)
	return s.Conn.(interface{ CloseWrite() error }).CloseWrite()
}

// unacknowledged is the number of bytes that the peer's system does not have, of those sent before the half-close; known
// is false where the system does not tell.
func (s *stream) unacknowledged(isHalfClosed bool) (size int, known bool) {
	size, known = queued(s.Conn)
	if !s.isUnix && isHalfClosed && size > 0 {
		size-- // TCP counts the FIN, too
	}
	return size, known
}

// The seam: what a system has of its own is put here by its file.
var (
	// control sets options of a socket before it is bound or connected.
	control func(network, address string, raw syscall.RawConn) error
	// queued tells how many bytes the peer's system has not yet acknowledged.
	queued = func(net.Conn) (size int, known bool) { return 0, false }
	// useHugePages asks for them, for memory that has not been used: taking small ones costs more than the bytes do.
	useHugePages = func([]byte) {}
)

func withDescriptor(conn net.Conn, use func(fd uintptr)) {
	if c, ok := conn.(syscall.Conn); ok {
		if raw, err := c.SyscallConn(); err == nil {
			raw.Control(use)
		}
	}
}
