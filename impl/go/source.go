package kcom5

// Sources of the data: memory, files and readers, the latter two with constant memory. Not here: the connection. Spec:
// "Files".

import (
	"context"
	"errors"
	"io"
	"os"
	"strconv"
	"time"

	"kcom5/internal/wholefile"
)

const pieceSize = 1 << 20 // fewer calls than with less, and no slower for the caches

type source struct {
	// next returns a piece of the data, at most left bytes and not empty.
	next func(left uint64) ([]byte, error)
	// file has the data that next has not returned, from its position on, so that the kernel can send it; or nil.
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

// input is a reader and its size, negative if unknown.
type input struct {
	reader io.Reader
	name   string
	size   int64
	closer io.Closer // nil: not ours
}

func (in input) close() {
	if in.closer != nil {
		in.closer.Close()
	}
}

// inputOf uses the size of a regular file from its position on, if none is given.
func inputOf(reader io.Reader, size int64) input {
	in := input{reader: reader, name: "the input", size: size}
	file, isFile := reader.(*os.File)
	if !isFile {
		return in
	}
	in.name = nameOf(file)
	if info, err := file.Stat(); err == nil && size < 0 && wholefile.SaysItsSize(info) {
		if at, err := file.Seek(0, io.SeekCurrent); err == nil && at <= info.Size() {
			in.size = info.Size() - at
		}
	}
	return in
}

// nameOf returns the name of a file for people.
func nameOf(file *os.File) string {
	switch file {
	case os.Stdin:
		return "standard input"
	case os.Stdout:
		return "standard output"
	}
	return file.Name()
}

func (in input) source() source {
	file, ok := in.reader.(*os.File)
	if !ok || !isRegular(file) {
		file = nil
	}
	var buffer []byte
	return source{file: file, next: func(left uint64) ([]byte, error) {
		if buffer == nil {
			buffer = make([]byte, smaller(left, pieceSize))
		}
		n, err := io.ReadFull(in.reader, buffer[:smaller(left, pieceSize)])
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			got := uint64(in.size) - left + uint64(n)
			return nil, &Error{Name: ErrIO, Cause: io.ErrUnexpectedEOF, Detail: in.name + ": became shorter while it was sent: got " +
				strconv.FormatUint(got, 10) + " of " + strconv.FormatInt(in.size, 10) + " bytes"}
		}
		if err != nil {
			return nil, readError(in.name, err)
		}
		return buffer[:n], nil
	}}
}

// readError returns an error of a file, not of the connection, even if its number says so.
func readError(name string, err error) error {
	var failed *Error
	if errors.As(err, &failed) {
		return err
	}
	return &Error{Name: ErrIO, Detail: name + ": " + systemText(err), Cause: err}
}

func isRegular(file *os.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode().IsRegular()
}

func smaller(size uint64, most int) int {
	if size < uint64(most) {
		return int(size)
	}
	return most
}

// openInput opens a file by its name.
func openInput(ctx context.Context, name string, timeout time.Duration) (input, error) {
	options := wholefile.Options{Timeout: timeout, Bound: inSeconds(timeout)}
	file, err := wholefile.OpenInput(ctx, name, options)
	if err != nil {
		return input{}, fileError(err)
	}
	in := inputOf(file, -1)
	in.closer = file
	return in, nil
}
