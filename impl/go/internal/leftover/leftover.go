// Package leftover registers files with temporary names, so that a process that cannot wait for their owners can remove
// them before it ends.
package leftover

import "sync"

var all struct {
	sync.Mutex
	last   int
	remove map[int]func()
}

// Add registers a function that removes a file, until forget is called.
func Add(remove func()) (forget func()) {
	all.Lock()
	defer all.Unlock()
	if all.remove == nil {
		all.remove = map[int]func(){}
	}
	all.last++
	key := all.last
	all.remove[key] = remove
	return func() {
		all.Lock()
		defer all.Unlock()
		delete(all.remove, key)
	}
}

// RemoveAll removes all registered files.
func RemoveAll() {
	all.Lock()
	defer all.Unlock()
	for _, remove := range all.remove {
		remove()
	}
}
