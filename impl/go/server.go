package kcom5

// The server: listens, serves one client, and learns whether all was taken. Not here: octets and states (core), and
// where the data comes from (body). Spec: "Listening and connecting", "Closing", "Time".

import (
	"context"
	"io"
	"net"
	"os"
	"time"

	"kcom5/core"
)

// Server sends one message and one block of data to the first client that connects. NewServer has the defaults.
type Server struct {
	Ipv6  bool   // ::1, or 127.0.0.1 (`listen.default`)
	Port  int    // 1 to 65535; 0 lets the system choose (`listen.port`, `listen.port-zero`)
	Path  string // if not empty: of a Unix-domain socket, in place of Ipv6 and Port
	Close int    // T in seconds; zero or negative: no limit (`time.never`)
	Msg   string // the message to send: well-formed UTF-8, at most 2^32 - 1 octets (`message.utf8`)

	// Listening, if not nil, is told the port as soon as the server listens there; 0 with a Path.
	Listening func(port int)
	// Progress, if not nil, is told how many octets of the data the system has taken, and of how many.
	Progress func(done, total uint64)

	open *listener
}

// NewServer has IPv6, port 13600, 150 s and an empty message.
func NewServer() *Server { return &Server{Ipv6: true, Port: DefaultPort, Close: DefaultClose} }

// Initsvr is NewServer by its original name.
func Initsvr() *Server { return NewServer() }

// Open listens, and gives the port (0 with a Path); the next Send serves the client. The wait for it starts now
// (`time.wait`). Errors: ErrInvalidPort, ErrMessageTooLong, ErrMessageNotUTF8, ErrInUse, ErrIO.
func (s *Server) Open(ctx context.Context) (port int, err error) {
	s.Abandon()
	if err := s.check(); err != nil {
		return 0, err
	}
	open, err := s.listen(ctx)
	if isOneOf(err, inUse) {
		return 0, &Error{Name: ErrInUse, Detail: err.Error(), Cause: err}
	}
	if err != nil {
		return 0, ioError(err)
	}
	s.open = open
	if s.Listening != nil {
		s.Listening(open.port)
	}
	return open.port, nil
}

// Abandon takes back an Open that no Send has followed.
func (s *Server) Abandon() {
	if s.open != nil {
		s.open.close()
		s.open = nil
	}
}

// Send is SendContext without a context.
func (s *Server) Send(data []byte) error { return s.SendContext(context.Background(), data) }

// SendContext opens, unless Open did, and returns when a client has taken everything and closed (`result.sync`,
// `close.confirm`). Errors: those of Open, and ErrTimeout, ErrIO, ErrInvalidConnection, ErrUnconfirmed.
func (s *Server) SendContext(ctx context.Context, data []byte) error {
	return s.send(ctx, uint64(len(data)), fromMemory(data))
}

// SendFile sends a file, with constant memory: as many octets as it has now. If it becomes shorter meanwhile that is
// ErrIO. What has no size, as a pipe, is read to its end first.
func (s *Server) SendFile(ctx context.Context, name string) error {
	file, err := os.Open(name)
	if err != nil {
		s.Abandon()
		return ioError(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		s.Abandon()
		return ioError(err)
	}
	if !info.Mode().IsRegular() || info.Size() == 0 { // a file of /proc says 0
		return s.SendFrom(ctx, file, -1)
	}
	return s.SendFrom(ctx, file, info.Size())
}

// SendFrom sends size octets of a reader, with constant memory; fewer are ErrIO. A negative size stands for all that
// there are: they are copied to a temporary file before the server listens. How long the reader takes is not limited.
func (s *Server) SendFrom(ctx context.Context, reader io.Reader, size int64) error {
	if size >= 0 {
		return s.send(ctx, uint64(size), fromReader(reader))
	}
	if err := s.check(); err != nil {
		s.Abandon()
		return err
	}
	file, size, err := spool(ctx, reader)
	if err != nil {
		s.Abandon()
		return ioError(err)
	}
	defer closeSpool(file)
	return s.send(ctx, uint64(size), fromReader(file))
}

// check is all that is wrong before a socket is opened, in the order of `listen.port`.
func (s *Server) check() error {
	if s.Path == "" {
		if err := core.CheckPort(s.Port, 0); err != nil {
			return err
		}
	}
	return core.CheckMessage(s.Msg)
}

// listener is where a client is waited for.
type listener struct {
	net.Listener
	remove func() // the socket file
	port   int
	end    time.Time
}

func (s *Server) listen(ctx context.Context) (open *listener, err error) {
	open = &listener{remove: func() {}}
	if s.Path != "" {
		open.Listener, open.remove, err = listenUnix(s.Path)
	} else {
		config := net.ListenConfig{Control: control, KeepAlive: -1}
		if multipath, ok := any(&config).(interface{ SetMultipathTCP(bool) }); ok {
			multipath.SetMultipathTCP(false) // newer releases of Go would; the options of control are not for it
		}
		place := endpoint{s.Ipv6, s.Port}
		open.Listener, err = config.Listen(ctx, place.network(), place.address())
	}
	if err != nil {
		return nil, err
	}
	if address, ok := open.Addr().(*net.TCPAddr); ok {
		open.port = address.Port
	}
	open.end = deadline(seconds(s.Close))
	return open, nil
}

func (l *listener) close() {
	l.remove()
	l.Listener.Close()
}

// accept waits for the first client, and refuses all others from then on (`listen.one-client`).
func (l *listener) accept(ctx context.Context) (conn net.Conn, err error) {
	defer l.close()
	setDeadline := l.Listener.(interface{ SetDeadline(time.Time) error }).SetDeadline
	defer interruptOnDone(ctx, func() { setDeadline(past) })()
	err = await(ctx, l.end, setDeadline, func() error {
		conn, err = l.Accept()
		return err
	})
	return conn, err
}

func (s *Server) send(ctx context.Context, size uint64, from source) error {
	if s.open == nil {
		if _, err := s.Open(ctx); err != nil {
			return err
		}
	}
	open := s.open
	s.open = nil
	if err := core.CheckMessage(s.Msg); err != nil { // it may have been set after Open
		open.close()
		return err
	}
	exchange := core.NewServerExchange(s.Msg, size)
	conn, err := open.accept(ctx)
	if err != nil {
		return inSeconds(failure(exchange, err), s.Close)
	}
	serving := serving{newStream(ctx, conn), exchange, seconds(s.Close)}
	if err := serving.run(size, from, s.Progress); err != nil {
		serving.abort()
		return inSeconds(err, s.Close)
	}
	serving.finish()
	return nil
}

// serving is the server's end of a connection.
type serving struct {
	*stream
	exchange *core.ServerExchange
	timeout  time.Duration
}

func (s serving) run(size uint64, from source, progress func(done, total uint64)) error {
	handshakeEnd := deadline(s.timeout)
	if s.LocalAddr().Network() == "unix" {
		own, err := isOwn(s.Conn)
		if err != nil {
			return failure(s.exchange, err)
		}
		if !own {
			s.exchange.On(core.Wrong)
			return s.exchange.Err()
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

// readHello looks at more than eight octets, if more have arrived (`hello.alone`).
func (s serving) readHello(end time.Time) error {
	var octets [64]byte
	for s.exchange.State() == core.Hello {
		n, err := s.read(octets[:], end)
		if err != nil {
			return failure(s.exchange, err)
		}
		s.exchange.Feed(octets[:n])
	}
	return s.exchange.Err()
}

// write sends echo, frame and data. The bound starts again with each octet that the system takes, or that the client's
// system acknowledges while ours takes none (`time.stall`).
func (s serving) write(size uint64, from source, progress func(done, total uint64), end time.Time) error {
	if unix, ok := s.Conn.(*net.UnixConn); ok && size > 64<<10 {
		// One that both ends rarely wait for, and that the processor's cache holds. TCP's grows by itself.
		unix.SetWriteBuffer(1 << 20)
	}
	pieces := net.Buffers{s.exchange.Head()}
	headSize, sent, waiting := uint64(len(pieces[0])), uint64(0), 0
	for given := uint64(0); sent < headSize+size; {
		var n int64
		var err error
		// The system may send a file's very pages: not without a confirmation that they were taken.
		if from.file != nil && given > 0 && given < size && len(pieces) == 0 && !s.hasDrained() {
			n, err = s.sendFile(from.file, size-given, slice(end))
			given += uint64(n)
			if n == 0 && (err == nil || eventOf(err) == core.Failure) {
				from.file = nil // it cannot, or fails, which a read tells better
				continue
			}
		} else {
			if given < size && (sent == 0 && given == 0 || len(pieces) == 0) {
				piece, err := from.next(size - given)
				if err != nil {
					s.exchange.On(core.Failure)
					return ioError(err)
				}
				given += uint64(len(piece))
				pieces = append(pieces, piece)
			}
			n, err = s.stream.write(&pieces, slice(end))
		}
		sent += uint64(n)
		hasMoved := n > 0
		if err != nil {
			still, known := queued(s.Conn)
			hasMoved = hasMoved || known && still < waiting
			waiting = still
		}
		if hasMoved && sent >= core.HelloSize { // until then it is the handshake (`time.handshake`)
			end = deadline(s.timeout)
		}
		if err != nil && (eventOf(err) != core.Timeout || hasPassed(end)) {
			return failure(s.exchange, err)
		}
		if err := s.lookForEnd(); err != nil {
			return err
		}
		if progress != nil && sent > headSize {
			progress(sent-headSize, size)
		}
	}
	return nil
}

// lookForEnd tells the exchange of the client's end or reset, once one has been seen.
func (s serving) lookForEnd() error {
	if !s.hasDrained() {
		return nil
	}
	err := s.drainErr
	if eventOf(err) == core.End {
		err = first(pendingError(s.Conn), err) // it may have been reset after its end
	}
	return failure(s.exchange, first(s.ctx.Err(), err))
}

// confirm waits for the client's end (`close.confirm`). The bound starts again while octets of the frame still move
// (`time.confirm`).
func (s serving) confirm() error {
	if err := s.lookForEnd(); err != nil {
		return err
	}
	s.exchange.On(core.Sent)
	if err := s.halfClose(); err != nil {
		return failure(s.exchange, err)
	}
	end := deadline(s.timeout)
	waiting, _ := queued(s.Conn)
	timer := time.NewTimer(0)
	<-timer.C // each time it is set it has fired, or the wait is over
	defer timer.Stop()
	for isLastLook := false; s.exchange.State() == core.Confirming; {
		timer.Reset(time.Until(slice(end)))
		select {
		case <-s.drained:
			if err := s.lookForEnd(); err != nil {
				return err
			}
		case <-s.ctx.Done():
			return failure(s.exchange, s.ctx.Err())
		case <-timer.C:
			still, known := queued(s.Conn)
			switch {
			case known && still < waiting:
				end = deadline(s.timeout)
			case isLastLook:
				s.exchange.On(core.Timeout)
			case hasPassed(end):
				isLastLook = true
				end = time.Now().Add(time.Millisecond)
			}
			waiting = still
		}
	}
	return s.exchange.Err()
}
