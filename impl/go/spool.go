package kcom5

// An unnamed file for input that must be read to its end before its size is known. Spec: "Files".

import (
	"context"
	"io"
	"os"

	"kcom5/internal/wholefile"
)

// spooled copies all of the input into a file without a name, from its start. It does not wait for a Read that is under
// way when ctx ends, because nothing can interrupt it. The goroutine of that Read then still holds the reader and the
// closed file.
func (in input) spooled(ctx context.Context, folder string) (input, error) {
	if folder == "" {
		folder = os.TempDir()
	}
	file, err := wholefile.Unnamed(folder)
	if err != nil {
		return input{}, spoolError(folder, err)
	}
	isKept := false
	defer func() {
		if !isKept { // also if the reader panics
			file.Close()
		}
	}()
	size, err := copied(ctx, spoolWriter{file, folder}, in)
	if err != nil {
		return input{}, err
	}
	if _, err = file.Seek(0, io.SeekStart); err != nil {
		return input{}, spoolError(folder, err)
	}
	isKept = true
	return input{file, in.name, size, file}, nil
}

func spoolError(folder string, err error) error {
	return &Error{Name: ErrIO, Detail: folder + ": " + systemText(err), Cause: &wholefile.SpoolError{Err: err}}
}

// spoolWriter names the folder in its errors.
type spoolWriter struct {
	*os.File
	folder string
}

func (w spoolWriter) Write(octets []byte) (int, error) {
	n, err := w.File.Write(octets)
	if err != nil {
		err = spoolError(w.folder, err)
	}
	return n, err
}

// copied copies all, and returns how much. If reading panics, so does it.
func copied(ctx context.Context, to io.Writer, in input) (int64, error) {
	type result struct {
		size  int64
		err   error
		panic any
	}
	ended := make(chan result, 1) // buffered, because nobody may wait for it
	go func() {
		var all result
		defer func() {
			all.panic = recover()
			ended <- all
		}()
		all.size, all.err = io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{in.reader}, make([]byte, 64<<10))
	}()
	select {
	case all := <-ended:
		if all.panic != nil {
			panic(all.panic)
		}
		if all.err != nil {
			return 0, readError(in.name, all.err)
		}
		return all.size, nil
	case <-ctx.Done():
		return 0, ioError(in.name, ctx.Err())
	}
}
