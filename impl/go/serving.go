package kcom5

// The server's end of a connection: answers the hello, sends, and learns whether all was taken. Not here: how it listens
// (server), and where the data comes from (source). Spec: "Hello and echo", "Closing", "Time".

import (
	"net"
	"time"

	"kcom5/core"
)

type serving struct {
	*stream
	exchange     *core.ServerExchange
	timeout      time.Duration
	place        string
	isHalfClosed bool
}

func (s *serving) run(size uint64, from source, progress func(done, total uint64)) error {
	handshakeEnd := deadline(s.timeout)
	if s.isUnix {
		own, err := isOwn(s.Conn)
		if err != nil {
			return s.failed(err)
		}
		if !own {
			s.exchange.RefusePeer()
			return outcome(s.exchange)
		}
	}
	s.exchange.On(core.Connected)
	if err := s.readHello(handshakeEnd); err != nil {
		return err
	}
	s.drain()
	if err := s.write(size, from, progress, handshakeEnd); err != nil {
		return err
	}
	return s.confirm()
}

func (s *serving) failed(err error) error { return failure(s.exchange, s.place, err) }

// release closes the connection, with a reset unless it was half-closed (`close.abort`, `close.keep`).
func (s *serving) release() {
	if s.isHalfClosed {
		s.finish()
	} else {
		s.abort()
	}
}

// readHello reads more than eight bytes if more have arrived, so that they are seen (`hello.alone`).
func (s *serving) readHello(end time.Time) error {
	var octets [64]byte
	for s.exchange.State() == core.Hello {
		n, err := s.read(octets[:], end)
		if err != nil {
			return s.failed(err)
		}
		s.exchange.Feed(octets[:n])
	}
	return s.exchange.Err()
}

// writing is the progress of write.
type writing struct {
	from    source
	size    uint64 // of the data
	given   uint64 // of it, by the source
	sent    uint64 // with the head
	pieces  net.Buffers
	waiting int // unacknowledged bytes when the kernel took none
	end     time.Time
	broken  error // of the source; the bytes before it are still sent
}

// write sends echo, frame and data. The bound starts again with each byte that the kernel takes, or that the client's
// kernel acknowledges while ours takes none (`time.stall`).
func (s *serving) write(size uint64, from source, progress func(done, total uint64), end time.Time) error {
	if unix, ok := s.Conn.(*net.UnixConn); ok && size > 64<<10 {
		// A size at which both ends rarely wait, and which fits the processor's cache. The kernel grows TCP's buffer
		// itself.
		unix.SetWriteBuffer(1 << 20)
	}
	w := writing{from: from, size: size, pieces: net.Buffers{s.exchange.Head()}, end: end}
	headSize := uint64(len(w.pieces[0]))
	for w.sent < headSize+size {
		// Checked before each write, and so before the last one: a client whose end has come by now did not have
		// everything. An end that comes later, when everything is acknowledged, confirms.
		if err := s.lookForEnd(); err != nil {
			return err
		}
		n, err := s.writeSome(&w)
		if err != nil && eventOf(err) != core.Timeout {
			return s.failedWriting(err)
		}
		w.sent += uint64(n)
		hasMoved := n > 0
		if err != nil {
			still, known := s.unacknowledged(false)
			hasMoved = hasMoved || known && still < w.waiting
			w.waiting = still
		}
		if hasMoved && w.sent >= core.HelloSize { // until then it is the handshake (`time.handshake`)
			w.end = deadline(s.timeout)
		}
		if err != nil && hasPassed(w.end) {
			return s.failed(err)
		}
		if progress != nil && w.sent > headSize {
			progress(w.sent-headSize, size)
		}
	}
	return nil
}

// sourceError is an error of the data's source, not of the connection, even if its number says so.
type sourceError struct{ error }

func (s *serving) failedWriting(err error) error {
	if from, ok := err.(sourceError); ok {
		s.exchange.On(core.Failure)
		return from.error
	}
	return s.failed(err)
}

// writeSome writes what the kernel takes within a slice of the bound.
func (s *serving) writeSome(w *writing) (n int64, err error) {
	// sendfile() may send the file's own pages, which can change until the client has read them. So only a client that
	// can still confirm gets them.
	if w.from.file != nil && w.given > 0 && w.given < w.size && len(w.pieces) == 0 && !s.hasDrained() {
		n, err = s.sendFile(w.from.file, w.size-w.given, slice(w.end))
		w.given += uint64(n)
		if n > 0 || err != nil && eventOf(err) != core.Failure {
			return n, err
		}
		w.from.file = nil // sendfile() failed; a read reports the real error
	}
	if w.broken == nil && w.given < w.size && (w.sent == 0 && w.given == 0 || len(w.pieces) == 0) {
		piece, err := w.from.next(w.size - w.given)
		if err != nil {
			w.broken = sourceError{err}
		} else {
			w.given += uint64(len(piece))
			w.pieces = append(w.pieces, piece)
		}
	}
	if w.broken != nil && len(w.pieces) == 0 {
		return 0, w.broken
	}
	return s.stream.write(&w.pieces, slice(w.end))
}

// lookForEnd reports the client's end or reset to the exchange, once it has come.
func (s *serving) lookForEnd() error {
	if !s.hasDrained() {
		hasEnded, err := hasPeerEnded(s.Conn)
		if err != nil {
			return s.failed(first(s.ctx.Err(), err))
		}
		if !hasEnded || !s.isDrainedSoon() {
			return nil
		}
	}
	err := s.drainErr
	if eventOf(err) != core.End {
		return s.failed(first(s.ctx.Err(), err))
	}
	still, known := s.unacknowledged(s.isHalfClosed)
	if err := pendingError(s.Conn); err != nil { // it may have been reset after its end
		return s.failed(err)
	}
	if known && still > 0 {
		s.exchange.On(core.EarlyEnd)
	} else {
		s.exchange.On(core.End)
	}
	return s.exchange.Err()
}

// isDrainedSoon waits for the draining goroutine, which has only the end left to read.
func (s *serving) isDrainedSoon() bool {
	timer := time.NewTimer(100 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-s.drained:
		return true
	case <-timer.C:
		return false
	}
}

// confirm half-closes, and waits for the client's end, or until everything is acknowledged if it came early
// (`close.confirm`).
func (s *serving) confirm() error {
	if err := s.halfClose(); err != nil {
		return s.failed(err)
	}
	s.isHalfClosed = true
	s.exchange.On(core.Sent)
	end := deadline(s.timeout)
	waiting, _ := s.unacknowledged(true)
	for isLastLook := false; ; {
		if err := s.lookAround(isLastLook); err != nil || s.exchange.State() == core.Done {
			return first(err, outcome(s.exchange))
		}
		still, known := s.unacknowledged(true)
		switch {
		case known && still < waiting: // each byte (`time.confirm`)
			end, isLastLook = deadline(s.timeout), false
		case isLastLook:
			s.exchange.On(core.Timeout)
			return outcome(s.exchange)
		case hasPassed(end):
			isLastLook = true
			continue
		}
		waiting = still
		s.pause(end)
	}
}

// lookAround reports to the exchange what it waits for after the half-close. On the last look the end may have arrived
// before the draining goroutine ran (`time.late`).
func (s *serving) lookAround(isLastLook bool) error {
	if err := s.ctx.Err(); err != nil {
		return s.failed(err)
	}
	if s.exchange.State() == core.Confirming && (isLastLook || s.hasDrained()) {
		if err := s.lookForEnd(); err != nil {
			return err
		}
	}
	if s.exchange.State() != core.Draining {
		return nil
	}
	still, known := s.unacknowledged(true)
	if err := pendingError(s.Conn); err != nil {
		return s.failed(err)
	}
	if !known || still == 0 {
		s.exchange.On(core.Acknowledged)
	}
	return nil
}

// pause waits briefly for news.
func (s *serving) pause(end time.Time) {
	near, drained := slice(end), s.drained
	if s.exchange.State() == core.Draining { // no event reports an acknowledgement, or a reset after the end
		drained = nil
		if soon := time.Now().Add(5 * time.Millisecond); soon.Before(near) {
			near = soon
		}
	}
	timer := time.NewTimer(time.Until(near))
	defer timer.Stop()
	select {
	case <-drained:
	case <-s.ctx.Done():
	case <-timer.C:
	}
}
