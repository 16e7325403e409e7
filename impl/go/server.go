package kcom5

// The server: listens, and serves one client. Not here: the connection (serving), octets and states (core), and where the
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

// Server sends one message and one block of data to the first client that connects. NewServer has the defaults. A zero
// Server listens on 127.0.0.1, on a port that the system chooses, and waits for ever.
type Server struct {
	Ipv6  bool   // ::1, or 127.0.0.1 (`listen.default`)
	Port  int    // 1 to 65535; 0 lets the system choose (`listen.port`, `listen.port-zero`)
	Path  string // if not empty: of a Unix-domain socket, in place of Ipv6 and Port
	Close int    // T in seconds; zero or negative: no limit (`time.never`)
	Msg   string // the message to send: well-formed UTF-8, at most 2^32 - 1 bytes (`message.utf8`)

	// SpoolDir is the folder for what is read to its end before it is sent; empty: TMPDIR, else /tmp.
	SpoolDir string
	// Confirmed reports, after a Send that succeeded, whether the client confirmed that it has everything. It did not if
	// it had ended its sending side before it had everything (`close.confirm`). False at the start of each Send.
	Confirmed bool

	// Listening, if not nil, is told the port as soon as the server listens there; 0 with a Path.
	Listening func(port int)
	// Progress, if not nil, is told how many bytes of the data the kernel has taken, and of how many.
	Progress func(done, total uint64)

	open *listener
}

// NewServer returns a server with IPv6, port 13600, 150 s and an empty message.
func NewServer() *Server { return &Server{Ipv6: true, Port: DefaultPort, Close: DefaultClose} }

// Initsvr is NewServer by its original name.
func Initsvr() *Server { return NewServer() }

// Open listens, and returns the port (0 with a Path); the next Send serves the client. The wait for it starts now
// (`time.wait`). Errors: ErrInvalidPort, ErrMessageTooLong, ErrMessageNotUTF8, ErrInUse, ErrIO, and ErrTimeout if another
// process keeps the folder of Path locked.
func (s *Server) Open(ctx context.Context) (port int, err error) {
	s.Abandon()
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

// SendFile sends a file, with constant memory: as many bytes as it has when it is opened, which is before the server
// listens. If it becomes shorter meanwhile that is ErrIO. What has no size, as a pipe or a file of /proc, is read to its
// end first, into SpoolDir. A pipe that no process opens for writing within T is ErrTimeout.
func (s *Server) SendFile(ctx context.Context, name string) error {
	return s.sendFrom(ctx, func() (input, error) { return openInput(ctx, name, s.Close) })
}

// SendFrom sends size bytes of a reader, with constant memory; fewer are ErrIO. A negative size stands for all that there
// are: of a regular file those from its position on, of any other reader what it gives until its end, which is copied
// into SpoolDir before the server listens. How long the reader takes is not limited.
func (s *Server) SendFrom(ctx context.Context, reader io.Reader, size int64) error {
	return s.sendFrom(ctx, func() (input, error) { return inputOf(reader, size), nil })
}

func (s *Server) sendFrom(ctx context.Context, open func() (input, error)) error {
	defer s.Abandon()
	s.Confirmed = false
	if err := s.check(); err != nil {
		return err
	}
	in, err := open()
	defer in.close()
	if err == nil && in.size < 0 {
		in, err = in.spooled(ctx, s.SpoolDir)
		defer in.close()
	}
	if err != nil {
		return err
	}
	return s.send(ctx, uint64(in.size), in.source())
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
		open.Listener, open.remove, err = listenUnix(ctx, s.Path, seconds(s.Close))
	} else {
		err = open.listenTCP(ctx, endpoint{s.Ipv6, s.Port})
	}
	if err != nil {
		return nil, ioError(open.place, err)
	}
	open.end = deadline(seconds(s.Close))
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

func (s *Server) send(ctx context.Context, size uint64, from source) error {
	s.Confirmed = false
	if s.open == nil {
		if _, err := s.Open(ctx); err != nil {
			return err
		}
	}
	open := s.open
	s.open = nil
	defer open.close()
	if err := core.CheckMessage(s.Msg); err != nil { // it may have been set after Open
		return err
	}
	exchange := core.NewServerExchange(s.Msg, size)
	exchange.Describe(open.place, s.Close)
	conn, err := open.accept(ctx)
	if err != nil {
		return failure(exchange, open.place, err)
	}
	serving := &serving{stream: newStream(ctx, conn), exchange: exchange, timeout: seconds(s.Close), place: open.place}
	defer serving.release()
	if err := serving.run(size, from, s.Progress); err != nil {
		return err
	}
	s.Confirmed = exchange.Confirmed()
	return nil
}
