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
	Port    int           // 1 to 65535; zero is DefaultPort; AnyPort lets the system choose (`listen.port-zero`)
	IPv4    bool          // 127.0.0.1 instead of ::1 (`listen.default`)
	Path    string        // if not empty: of a Unix-domain socket, in place of Port and IPv4
	Timeout time.Duration // bound of each wait; zero is DefaultTimeout; Forever, and any negative one, is no limit
	Message string        // the message to send: well-formed UTF-8, at most 2^32 - 1 bytes (`message.utf8`)

	// SpoolDir is the folder for what is read to its end before it is sent; empty: TMPDIR, else /tmp.
	SpoolDir string

	// Listening, if not nil, is called once an exchange with the port, as soon as a client can connect; 0 with a Path.
	// Both callbacks run in the goroutine of the call. If one panics, so does the call: a client sees a reset.
	Listening func(port int)
	// Progress, if not nil, is called with the bytes of data that the kernel has taken, and all, each time that it took
	// some.
	Progress func(done, total uint64)

	open *listener
}

// Sent is what a send did.
type Sent struct {
	// Size is the number of bytes of data.
	Size uint64
	// Confirmed reports whether the client's end came after everything was sent. If it is false, the client had ended its
	// sending side before, and only its kernel is known to have everything (`close.confirm`).
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

// SendFile sends a file as Send does, with constant memory: as many bytes as it has when it is opened, which is before
// the server listens. A file that becomes shorter meanwhile is [ErrIO]. A file without a size, such as a pipe or one of
// /proc, is first read to its end into SpoolDir. A pipe that no process opens for writing within Timeout is [ErrTimeout].
func (s *Server) SendFile(ctx context.Context, name string) (Sent, error) {
	return s.sendFrom(ctx, func() (input, error) { return openInput(ctx, name, bound(s.Timeout)) })
}

// SendFrom sends size bytes of a reader as Send does, with constant memory; fewer are [ErrIO]. A negative size stands for
// all bytes: of a regular file those from its position on, of any other reader those until its end, which are copied into
// SpoolDir before the server listens. How long the reader takes is not limited.
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

// port returns the port that the system is asked for.
func (s *Server) port() int {
	switch s.Port {
	case 0:
		return DefaultPort
	case AnyPort:
		return 0
	}
	return s.Port
}

// check returns what is wrong before a socket is opened, in the order of `listen.port`.
func (s *Server) check() error {
	if s.Path == "" {
		if err := core.CheckPort(s.port(), 0); err != nil {
			return err
		}
	}
	return core.CheckMessage(s.Message)
}

// listener is where a client is waited for.
type listener struct {
	net.Listener
	remove   func() // the socket file
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
		multipath.SetMultipathTCP(false) // newer releases of Go would; the options of control are not for it
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
	if !ok { // package net keeps to itself what the system said
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

// passing are errors of accept that belong to a connection that is gone: it was not the first one.
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
		time.Sleep(time.Millisecond) // so that one that stays costs no processor; await ends it
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
	if err := core.CheckMessage(s.Message); err != nil { // it may have been set after Open
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
