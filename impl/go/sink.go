package kcom5

// Destinations of data and message: memory, files and writers, the latter two with constant memory. Not here: the
// connection, and how a file gets its name (wholefile). Spec: "Limits", "Files".

import (
	"context"
	"errors"
	"io"
	"os"

	"kcom5/internal/wholefile"
)

// sink takes the data. room returns memory for the next bytes, at most left and at least one, and took records how many
// came. complete records that all have, and publish makes them visible. discard, after any of them, removes everything
// that is not published.
type sink interface {
	room(left uint64) []byte
	took(size int) error
	// pipe returns a pipe for the kernel to fill instead, or nil; moved records how many bytes it has.
	pipe(left uint64) *pipe
	moved(size int) error
	complete() error
	publish() error
	discard()
}

// outputs are the outputs that the caller asked for.
type outputs struct {
	data    sink
	message *wholefile.File // or nil
}

func (c *Client) fileOptions() wholefile.Options {
	return wholefile.Options{Timeout: bound(c.Timeout), Bound: inSeconds(bound(c.Timeout)), NoClobber: c.NoClobber}
}

func (c *Client) openOutputs(ctx context.Context, open func() (sink, error)) (to outputs, err error) {
	if err := ctx.Err(); err != nil {
		return to, ioError("", err)
	}
	if to.data, err = open(); err == nil && c.MessageFile != "" {
		to.message, err = wholefile.Open(ctx, c.MessageFile, c.fileOptions())
	}
	return to, fileError(err)
}

// fileError returns a file's error under the spec's names.
func fileError(err error) error {
	var named *Error
	var file *wholefile.Error
	switch {
	case err == nil || errors.As(err, &named):
		return err
	case errors.As(err, &file) && file.IsTimeout:
		return &Error{Name: ErrTimeout, Detail: file.Error(), Cause: err}
	case errors.As(err, &file):
		return &Error{Name: ErrIO, Detail: file.Error(), Cause: err}
	}
	return ioError("the output", err)
}

// store makes everything complete before anything gets its name, and the data gets its name last (`close.last`).
func (to outputs) store(message string) error {
	err := to.data.complete()
	if to.message == nil {
		if err == nil {
			err = to.data.publish()
		}
		return fileError(err)
	}
	if err == nil {
		_, err = io.WriteString(to.message, message)
	}
	if err == nil {
		err = to.message.Complete()
	}
	if err == nil {
		err = to.message.Publish()
	}
	if err == nil {
		if err = to.data.publish(); err != nil {
			to.message.Retract()
		}
	}
	return fileError(err)
}

func (to outputs) discard() {
	if to.data != nil {
		to.data.discard()
	}
	to.message.Discard()
}

// explain adds to the error's causes how much was written in place.
func (to outputs) explain(err error) error {
	var failed *Error
	file, ok := to.data.(*fileSink)
	if ok && errors.As(err, &failed) {
		if written := file.file.InPlace(); written > 0 {
			if failed.Cause == nil {
				failed.Cause = failed.Name
			}
			failed.Cause = &wholefile.Partial{File: file.file.Name(), Written: written, Err: failed.Cause}
		}
	}
	return err
}

type memorySink struct{ data []byte }

// room grows with the bytes that arrived (`limit.memory`), to at most eight times that, in steps of which the last one
// is the whole. Moving bytes to new memory is what costs, so at most a seventh of the whole is moved.
func (s *memorySink) room(left uint64) []byte {
	have := uint64(len(s.data))
	if len(s.data) == cap(s.data) {
		size := have + left
		for size > 64<<10 && size/8 > have {
			size /= 8
		}
		grown := make([]byte, size)
		useHugePages(grown)
		s.data = grown[:copy(grown, s.data)]
	}
	return s.data[have:cap(s.data)]
}

func (s *memorySink) took(size int) error { s.data = s.data[:len(s.data)+size]; return nil }
func (s *memorySink) pipe(uint64) *pipe   { return nil }
func (s *memorySink) moved(int) error     { return nil }
func (s *memorySink) complete() error     { return nil }
func (s *memorySink) publish() error      { return nil }
func (s *memorySink) discard()            {}

type writerSink struct {
	writer io.Writer
	buffer []byte
}

func sinkOf(ctx context.Context, writer io.Writer, options wholefile.Options) (sink, error) {
	file, isFile := writer.(*os.File)
	if !isFile {
		return &writerSink{writer: writer}, nil
	}
	to, err := wholefile.OfDescriptor(ctx, file, nameOf(file), options)
	return fileSinkOf(to, err)
}

func (s *writerSink) room(left uint64) []byte {
	if s.buffer == nil {
		s.buffer = make([]byte, smaller(left, pieceSize))
	}
	return s.buffer[:smaller(left, len(s.buffer))]
}

func (s *writerSink) took(size int) error {
	n, err := s.writer.Write(s.buffer[:size])
	if err == nil && n < size {
		err = io.ErrShortWrite
	}
	if err != nil {
		err = readError("the output", err)
	}
	return err
}

func (s *writerSink) pipe(uint64) *pipe { return nil }
func (s *writerSink) moved(int) error   { return nil }
func (s *writerSink) complete() error   { return nil }
func (s *writerSink) publish() error    { return nil }
func (s *writerSink) discard()          {}

// fileSink stores in a file.
type fileSink struct {
	writerSink
	file   *wholefile.File
	filled *pipe // nil: not opened, or not usable
	moves  bool  // the kernel may move bytes into the file
}

func openFileSink(ctx context.Context, name string, options wholefile.Options) (sink, error) {
	return fileSinkOf(wholefile.Open(ctx, name, options))
}

func fileSinkOf(file *wholefile.File, err error) (sink, error) {
	if err != nil {
		return nil, err
	}
	// A pipe or socket may keep references to the sender's page cache, so the data could still change after it was sent.
	return &fileSink{writerSink: writerSink{writer: file}, file: file, moves: file.Regular != nil}, nil
}

func (s *fileSink) took(size int) error {
	_, err := s.file.Write(s.buffer[:size])
	return fileError(err)
}

// pipe returns nil for data that fits into one piece, for which it does not pay.
func (s *fileSink) pipe(left uint64) *pipe {
	if s.moves && s.filled == nil && left > pieceSize {
		s.filled = openPipe()
		s.moves = s.filled != nil
	}
	return s.filled
}

func (s *fileSink) moved(size int) error {
	if size == 0 { // the kernel cannot fill it
		s.dropPipe()
		return nil
	}
	moves, err := s.filled.empty(s.file.Regular, size)
	if !moves {
		s.dropPipe()
	}
	if err != nil {
		err = readError(s.file.Name(), err)
	}
	return err
}

// dropPipe closes it; from now on bytes are read and written.
func (s *fileSink) dropPipe() {
	if s.filled != nil {
		s.filled.close()
	}
	s.filled, s.moves = nil, false
}

func (s *fileSink) complete() error { return s.file.Complete() }
func (s *fileSink) publish() error  { return s.file.Publish() }
func (s *fileSink) discard() {
	s.dropPipe()
	s.file.Discard()
}
