// Package wholefile writes a file that gets its name when it is complete, and not before. What is there and no regular
// file (a pipe, a device) is written to as it is.
package wholefile

import (
	"os"
	"path/filepath"
	"sync"
)

// File is being written. Commit gives it its name; Discard, also after Commit or beside it, leaves nothing that is not
// complete.
type File struct {
	*os.File
	mutex  sync.Mutex // of target
	target string     // empty: nothing is to be renamed or removed
}

// Create makes a file of another name and mode 0600 in the directory of name. A symbolic link is followed.
func Create(name string) (*File, error) {
	info, err := os.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		file, err := os.OpenFile(name, os.O_WRONLY, 0)
		return &File{File: file}, err
	}
	target := followed(name)
	file, err := os.CreateTemp(filepath.Dir(target), ".kcom5-*")
	return &File{File: file, target: target}, err
}

// Commit closes the file and puts it where its name says.
func (f *File) Commit() error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if err := f.Close(); err != nil || f.target == "" {
		return err
	}
	if err := os.Rename(f.Name(), f.target); err != nil {
		return err
	}
	f.target = ""
	return nil
}

// Discard closes the file and removes it, unless Commit has succeeded.
func (f *File) Discard() {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.Close()
	if f.target != "" {
		os.Remove(f.Name())
	}
}

// followed is what a symbolic link leads to, be it there or not.
func followed(name string) string {
	for range [40]struct{}{} {
		link, err := os.Readlink(name)
		if err != nil {
			break
		}
		if !filepath.IsAbs(link) {
			// Not cleaned: ".." is of the directory that a link leads to.
			link = filepath.Dir(name) + string(filepath.Separator) + link
		}
		name = link
	}
	return name
}
