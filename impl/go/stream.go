package kcom5

// A connection: reads and writes within a bound, and closing. Not here: the protocol. Spec: "Listening and connecting",
// "Closing", "Time".

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

// past is a deadline that interrupts a wait.
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

// address returns a literal loopback address, so no name is resolved (`listen.loopback`).
func (e endpoint) address() string {
	if e.ipv6 {
		return net.JoinHostPort("::1", strconv.Itoa(e.port))
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(e.port))
}

// stream is a connection. Its waits end early when ctx ends.
type stream struct {
	net.Conn
	ctx      context.Context
	stop     func()
	isClosed bool
	isUnix   bool
	drained  chan struct{} // closed when draining has ended; nil before it starts
	drainErr error         // then: io.EOF or the system's error
}

func newStream(ctx context.Context, conn net.Conn) *stream {
	stop := interruptOnDone(ctx, func() { conn.SetDeadline(past) })
	_, isUnix := conn.(*net.UnixConn)
	return &stream{Conn: conn, ctx: ctx, stop: stop, isUnix: isUnix}
}

// drain reads and discards bytes in its own goroutine until the peer's end (`close.extra`).
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

// hasDrained reports, without waiting, whether the peer's end has been seen.
func (s *stream) hasDrained() bool {
	select {
	case <-s.drained:
		return true
	default:
		return false
	}
}

// interruptOnDone calls interrupt if ctx ends before stop is called. stop leaves nothing running when it returns.
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

// lastLook is the time for a last try when a bound has passed (`time.late`), because a deadline in the past fails
// without asking the kernel.
const lastLook = time.Millisecond

// await tries until end. Bytes that came before the end count, even if this goroutine ran only after it.
func await(ctx context.Context, end time.Time, setDeadline func(time.Time) error, try func() error) error {
	for isLastLook := false; ; isLastLook = true {
		setDeadline(end)
		if err := ctx.Err(); err != nil {
			return err // checked after setting the deadline, which may have undone the interruption
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

// peek does the same as read, and leaves the bytes unread.
func (s *stream) peek(octets []byte, end time.Time) (n int, err error) {
	err = await(s.ctx, end, s.SetReadDeadline, func() error {
		n, err = peek(s.Conn, octets)
		return err
	})
	return n, err
}

// fill waits until end for bytes, at most most, and puts them into a pipe. It returns 0 and no error if the kernel
// cannot; read then does it, or reports the real error.
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

// write writes until end, and returns how many bytes the kernel took.
func (s *stream) write(octets *net.Buffers, end time.Time) (int64, error) {
	return s.send(end, func() (int64, error) { return octets.WriteTo(s.Conn) })
}

// sendFile does the same with bytes of a file from its position on, at most most. It returns 0 and no error if the file
// has none.
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

// abort closes with a reset where the system supports it (`close.abort`). After finish it does nothing.
func (s *stream) abort() { s.end(0) }

// end closes the stream and leaves nothing of it (`close.residue`).
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

// readAway reads the bytes that have arrived, because a close with bytes unread would be a reset (`close.keep`). A
// context that ended may have stopped the draining before.
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

// linger sets what a close is from now on: a reset (0), or in order (-1).
func (s *stream) linger(how int) {
	if tcp, ok := s.Conn.(*net.TCPConn); ok {
		tcp.SetLinger(how)
	}
}

// halfClose ends the sending. From now on no reset destroys bytes that the peer's kernel holds (`close.keep`).
func (s *stream) halfClose() error {
	s.linger(-1)
	return s.Conn.(interface{ CloseWrite() error }).CloseWrite()
}

// unacknowledged returns how many bytes, the half-close not counted, the peer's kernel does not have yet. known is
// false where the kernel does not report it.
func (s *stream) unacknowledged(isHalfClosed bool) (size int, known bool) {
	size, known = queued(s.Conn)
	if !s.isUnix && isHalfClosed && size > 0 {
		size-- // TCP counts the FIN, too
	}
	return size, known
}

// Hooks that the file of a system may replace.
var (
	// control sets options of a socket before it is bound or connected.
	control func(network, address string, raw syscall.RawConn) error
	// queued returns how many bytes the peer's kernel has not yet acknowledged.
	queued = func(net.Conn) (size int, known bool) { return 0, false }
	// useHugePages requests huge pages for unused memory, because faulting in small pages costs more than copying the
	// bytes.
	useHugePages = func([]byte) {}
)

func withDescriptor(conn net.Conn, use func(fd uintptr)) {
	if c, ok := conn.(syscall.Conn); ok {
		if raw, err := c.SyscallConn(); err == nil {
			raw.Control(use)
		}
	}
}
