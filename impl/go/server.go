package kcom5

// The server: listens, and serves one client. Not here: the connection (serving), bytes and states (core), and where the
// data comes from (source). Spec: "Listening and connecting", "Time".

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"kcom5/core"
)

// Server sends one message and one block of data to the first client that connects. The zero value is ready to use: it
// listens on port 13600 of ::1 and bounds each wait by 150 s. Only one call of a Server may run at a time.
type Server struct {
	Port    int           // 1 to 65535; zero is DefaultPort; AnyPort lets the kernel choose (`listen.port-zero`)
	IPv4    bool          // 127.0.0.1 instead of ::1 (`listen.default`)
	Path    string        // if not empty: of a Unix-domain socket, in place of Port and IPv4
	Timeout time.Duration // limit of each wait; zero is DefaultTimeout; Forever, or any negative value, is no limit
	Message string        // the message to send: well-formed UTF-8, at most 2^32 - 1 bytes (`message.utf8`)

	// SpoolDir is the folder for input that is read to its end before it is sent; empty: TMPDIR, else /tmp.
	SpoolDir string

	// Listening, if not nil, is called once per exchange, as soon as a client can connect, with the port (0 with a
	// Path). Both callbacks run in the goroutine of the call. If one panics, so does the call: a client sees a reset.
	Listening func(port int)
	// Progress, if not nil, is called each time that the kernel took data, with the bytes so far and the total.
	Progress func(done, total uint64)

	open *listener
}

// Sent is the result of a send.
type Sent struct {
	// Size is the number of bytes of data.
	Size uint64
	// Confirmed reports whether the client's end came after everything was sent. If it is false, the client had
	// half-closed before, and only its kernel is known to have everything (`close.confirm`).
	Confirmed bool
}

// Open listens, and returns the port (0 with a Path); the next send serves the client. The wait for it starts now
// (`time.wait`). Errors: [ErrInvalidPort], [ErrMessageTooLong], [ErrMessageNotUTF8], [ErrInUse], [ErrIO], and
// [ErrTimeout] if another process keeps the folder of Path locked.
func (s *Server) Open(ctx context.Context) (port int, err error) {
	s.Close()
	if err := s.check(); err != nil {
		return 0, err
	}
	open, err := s.listen(ctx)
	if err != nil {
		return 0, err
	}
	if s.Listening != nil {
		isTold := false
		defer func() {
			if !isTold { // it panicked
				open.close()
			}
		}()
		s.Listening(open.port)
		isTold = true
	}
	s.open = open
	return open.port, nil
}

// Close ends the listening of an Open that no send has followed. It returns nil, and may be called at any time.
func (s *Server) Close() error {
	if s.open != nil {
		s.open.close()
		s.open = nil
	}
	return nil
}

// Send opens, unless Open did, and returns when a client has taken everything and closed (`result.sync`,
// `close.confirm`). Errors: those of Open, and [ErrTimeout], [ErrIO], [ErrInvalidConnection], [ErrUnconfirmed].
func (s *Server) Send(ctx context.Context, data []byte) (Sent, error) {
	return s.send(ctx, uint64(len(data)), fromMemory(data))
}

// SendFile sends a file as Send does, with constant memory. It opens the file before the server listens, and sends as
// many bytes as it has then. A file that becomes shorter meanwhile is [ErrIO]. A file without a size, such as a pipe or
// one of /proc, is first read to its end into SpoolDir. A pipe that no process opens for writing within Timeout is
// [ErrTimeout].
func (s *Server) SendFile(ctx context.Context, name string) (Sent, error) {
	return s.sendFrom(ctx, func() (input, error) { return openInput(ctx, name, bound(s.Timeout)) })
}

// SendFrom sends size bytes of a reader as Send does, with constant memory; fewer are [ErrIO]. A negative size means
// all bytes. For a regular file these are the bytes from its position on. Any other reader is copied to its end into
// SpoolDir before the server listens. The time that the reader takes is not limited.
func (s *Server) SendFrom(ctx context.Context, reader io.Reader, size int64) (Sent, error) {
	return s.sendFrom(ctx, func() (input, error) { return inputOf(reader, size), nil })
}

func (s *Server) sendFrom(ctx context.Context, open func() (input, error)) (sent Sent, err error) {
	defer s.Close()
	if err := s.check(); err != nil {
		return sent, err
	}
	in, err := open()
	defer in.close()
	if err == nil && in.size < 0 {
		in, err = in.spooled(ctx, s.SpoolDir)
		defer in.close()
	}
	if err != nil {
		return sent, err
	}
	return s.send(ctx, uint64(in.size), in.source())
}

// port returns the port to request from the kernel.
func (s *Server) port() int {
	switch s.Port {
	case 0:
		return DefaultPort
	case AnyPort:
		return 0
	}
	return s.Port
}

// check validates the fields before a socket is opened, in the order of `listen.port`.
func (s *Server) check() error {
	if s.Path == "" {
		if err := core.CheckPort(s.port(), 0); err != nil {
			return err
		}
	}
	return core.CheckMessage(s.Message)
}

// listener is a listening socket.
type listener struct {
	net.Listener
	remove   func() // removes the socket file
	port     int
	place    string
	end      time.Time
	isClosed bool
}

func (s *Server) listen(ctx context.Context) (open *listener, err error) {
	if err := ctx.Err(); err != nil {
		return nil, ioError("", err)
	}
	open = &listener{remove: func() {}, place: s.Path}
	if s.Path != "" {
		open.Listener, open.remove, err = listenUnix(ctx, s.Path, bound(s.Timeout))
	} else {
		err = open.listenTCP(ctx, endpoint{!s.IPv4, s.port()})
	}
	if err != nil {
		return nil, ioError(open.place, err)
	}
	open.end = deadline(bound(s.Timeout))
	return open, nil
}

func (l *listener) listenTCP(ctx context.Context, place endpoint) (err error) {
	config := net.ListenConfig{Control: control, KeepAlive: -1}
	if multipath, ok := any(&config).(interface{ SetMultipathTCP(bool) }); ok {
		multipath.SetMultipathTCP(false) // newer releases of Go enable it, but the options of control do not fit it
	}
	l.place = place.address()
	l.Listener, err = config.Listen(ctx, place.network(), l.place)
	if isOneOf(err, inUse) {
		return &Error{Name: ErrInUse, Detail: l.place + " is in use by another program", Cause: err}
	}
	if err != nil {
		return err
	}
	address, ok := l.Addr().(*net.TCPAddr)
	if !ok { // package net hides the system's error
		l.Listener.Close()
		return errors.New("the listener's port is not known")
	}
	l.port = address.Port
	l.place = endpoint{place.ipv6, l.port}.address()
	return nil
}

func (l *listener) close() {
	if !l.isClosed {
		l.isClosed = true
		l.remove()
		l.Listener.Close()
	}
}

// passing are errors of accept about a connection that is gone, which was not the first one.
var passing = []syscall.Errno{syscall.ECONNABORTED, syscall.EINTR, syscall.EPROTO, syscall.ENETDOWN, syscall.ENOPROTOOPT,
	syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.EOPNOTSUPP, syscall.ENETUNREACH}

// accept waits for the first client, and refuses all others from then on (`listen.one-client`).
func (l *listener) accept(ctx context.Context) (conn net.Conn, err error) {
	defer l.close()
	setDeadline := l.Listener.(interface{ SetDeadline(time.Time) error }).SetDeadline
	defer interruptOnDone(ctx, func() { setDeadline(past) })()
	for {
		err = await(ctx, l.end, setDeadline, func() error {
			conn, err = l.Accept()
			return err
		})
		if !isOneOf(err, passing) {
			return conn, err
		}
		time.Sleep(time.Millisecond) // a lasting error must not keep the processor busy; await ends it
		if hasPassed(l.end) {
			return nil, os.ErrDeadlineExceeded
		}
	}
}

func (s *Server) send(ctx context.Context, size uint64, from source) (sent Sent, err error) {
	if s.open == nil {
		if _, err := s.Open(ctx); err != nil {
			return sent, err
		}
	}
	open := s.open
	s.open = nil
	defer open.close()
	if err := core.CheckMessage(s.Message); err != nil { // the message may have changed after Open
		return sent, err
	}
	exchange := core.NewServerExchange(s.Message, size)
	exchange.Describe(open.place, inSeconds(bound(s.Timeout)))
	conn, err := open.accept(ctx)
	if err != nil {
		return sent, failure(exchange, open.place, err)
	}
	serving := &serving{stream: newStream(ctx, conn), exchange: exchange, timeout: bound(s.Timeout), place: open.place}
	defer serving.release()
	if err := serving.run(size, from, s.Progress); err != nil {
		return sent, err
	}
	return Sent{size, exchange.Confirmed()}, nil
}
