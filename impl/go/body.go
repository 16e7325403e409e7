package kcom5

// Where the data of an exchange comes from and where it goes: memory, files, readers and writers, the latter with
// constant memory. Not here: the connection. Spec: "Limits", "Results and errors".

import (
	"context"
	"errors"
	"io"
	"os"

	"kcom5/internal/wholefile"
)

const pieceSize = 1 << 20 // fewer calls than with less, and no slower for the caches

type source struct {
	// next gives a piece of the data, at most left octets and not empty.
	next func(left uint64) ([]byte, error)
	// file has the data that next has not given, from its position on, so that the system can send it by itself; or nil.
	file *os.File
}

func fromMemory(data []byte) source {
	return source{next: func(left uint64) ([]byte, error) {
		piece := data[uint64(len(data))-left:]
		if len(piece) > pieceSize {
			piece = piece[:pieceSize]
		}
		return piece, nil
	}}
}

func fromReader(reader io.Reader) source {
	file, ok := reader.(*os.File)
	if !ok || !isRegular(file) {
		file = nil
	}
	var buffer []byte
	return source{file: file, next: func(left uint64) ([]byte, error) {
		if buffer == nil {
			buffer = make([]byte, smaller(left, pieceSize))
		}
		n, err := io.ReadFull(reader, buffer[:smaller(left, pieceSize)])
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			err = errors.New("the input became shorter than its declared size")
		}
		return buffer[:n], err
	}}
}

func isRegular(file *os.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode().IsRegular()
}

// spool copies all of reader into a file without a name, from its start. A Read that is under way when ctx ends is not
// waited for: nothing can interrupt it. What its goroutine then still has is the reader and the closed file.
func spool(ctx context.Context, reader io.Reader) (*os.File, int64, error) {
	file, err := os.CreateTemp("", "kcom5-*")
	if err != nil {
		return nil, 0, err
	}
	os.Remove(file.Name()) // where an open file can be; elsewhere closeSpool does it
	type result struct {
		size int64
		err  error
	}
	ended := make(chan result, 1) // room for the one that nobody waits for
	run := func() {
		size, err := io.Copy(file, reader)
		ended <- result{size, err}
	}
	if ctx.Done() == nil {
		run()
	} else {
		go run()
	}
	var copied result
	select {
	case copied = <-ended:
	case <-ctx.Done():
		copied.err = ctx.Err()
	}
	if copied.err == nil {
		_, copied.err = file.Seek(0, io.SeekStart)
	}
	if copied.err != nil {
		closeSpool(file)
		return nil, 0, copied.err
	}
	return file, copied.size, nil
}

func closeSpool(file *os.File) {
	file.Close()
	os.Remove(file.Name())
}

// sink takes the data: room is where the next octets are to be put, at most left and at least one; took says how many
// came; finish makes them visible; discard, after any of them, leaves nothing that is not finished.
type sink interface {
	room(left uint64) []byte
	// pipe is where the system is to put them instead; or nil.
	pipe(left uint64) *pipe
	took(size int) error
	finish() error
	discard()
}

type memorySink struct{ data []byte }

// room grows with what has arrived (`limit.memory`): to at most eight times that, by such steps that the last one is the
// whole. What costs is the octets that move to new memory; so they are never more than a seventh of the whole.
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

func (s *memorySink) pipe(uint64) *pipe   { return nil }
func (s *memorySink) took(size int) error { s.data = s.data[:len(s.data)+size]; return nil }
func (s *memorySink) finish() error       { return nil }
func (s *memorySink) discard()            {}

type writerSink struct {
	writer io.Writer
	buffer []byte
}

func (s *writerSink) room(left uint64) []byte {
	if s.buffer == nil {
		s.buffer = make([]byte, smaller(left, pieceSize))
	}
	return s.buffer[:smaller(left, len(s.buffer))]
}

func (s *writerSink) took(size int) error {
	_, err := s.writer.Write(s.buffer[:size])
	return err
}

func (s *writerSink) pipe(uint64) *pipe { return nil }
func (s *writerSink) finish() error     { return nil }
func (s *writerSink) discard()          {}

// fileSink makes a file that is complete or not there.
type fileSink struct {
	writerSink
	file   *wholefile.File
	filled *pipe // nil: not opened, or not to be used
	moves  bool  // the system may move octets into the file by itself
}

func newFileSink(name string) (*fileSink, error) {
	file, err := wholefile.Create(name)
	// What is no regular file may keep the very pages of the sender's file, which can change before somebody reads them.
	return &fileSink{writerSink: writerSink{writer: file}, file: file, moves: err == nil && isRegular(file.File)}, err
}

// pipe is not worth while for what fits into one piece.
func (s *fileSink) pipe(left uint64) *pipe {
	if s.moves && s.filled == nil && left > pieceSize {
		s.filled = openPipe()
		s.moves = s.filled != nil
	}
	return s.filled
}

func (s *fileSink) took(size int) error {
	if s.filled == nil {
		return s.writerSink.took(size)
	}
	if size == 0 { // the system cannot fill it
		s.dropPipe()
		return nil
	}
	moves, err := s.filled.empty(s.file.File, size)
	if !moves {
		s.dropPipe()
	}
	return err
}

// dropPipe closes it; from now on octets are read and written.
func (s *fileSink) dropPipe() {
	if s.filled != nil {
		s.filled.close()
	}
	s.filled, s.moves = nil, false
}

func (s *fileSink) finish() error { return s.file.Commit() }
func (s *fileSink) discard() {
	s.dropPipe()
	s.file.Discard()
}

func smaller(size uint64, most int) int {
	if size < uint64(most) {
		return int(size)
	}
	return most
}
