package store

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"sallyport/internal/secret"
)

// keyFileVersion is written into the file, so that a later form can be told apart.
const keyFileVersion = 1

// maxKeyFile bounds what is read; a million subscriptions fit.
const maxKeyFile = 256 << 20

// KeyFile holds the subscription keys that were generated because the
// configuration gives none. Keys are made once and never change. Several
// processes may use one file; each write happens under a lock on the side.
type KeyFile struct {
	path string
	mu   sync.Mutex
	keys map[string]keyPair // by subscription id in lower case, as ARM compares ids
}

type keyPair struct{ primary, secondary secret.Text }

// keyDocument is the file's form. It holds plain strings on purpose: this is
// the one place where generated keys are written down.
type keyDocument struct {
	Version       int                      `json:"version"`
	Subscriptions map[string]keyPairOnDisk `json:"subscriptions"`
}

type keyPairOnDisk struct {
	Primary   string `json:"primaryKey"`
	Secondary string `json:"secondaryKey"`
}

// Open opens the key file at path, which need not exist yet. A folder is
// made with mode 0700. A file or folder that others can reach is refused.
func Open(path string) (*KeyFile, error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make folder of key file: %w", err)
	}
	if err := checkFolder(dir); err != nil {
		return nil, err
	}
	k := &KeyFile{path: path}
	if err := k.readLocked(); err != nil {
		return nil, err
	}
	return k, nil
}

// checkFolder refuses a folder in which somebody else could replace the file.
func checkFolder(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("look at folder of key file: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("key file: %s is not a folder", dir)
	}
	mode := info.Mode()
	if posixModes && mode.Perm()&0o022 != 0 && mode&fs.ModeSticky == 0 {
		return fmt.Errorf("key file: others may write to folder %s (mode %04o); run: chmod go-w %s", dir, mode.Perm(), dir)
	}
	return nil
}

// readLocked reads the file anew. A file that is not there holds no keys.
func (k *KeyFile) readLocked() error {
	info, err := os.Lstat(k.path)
	if errors.Is(err, fs.ErrNotExist) {
		k.keys = map[string]keyPair{}
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at key file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("key file %s is not a regular file", k.path)
	}
	if posixModes && info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("key file %s can be reached by others (mode %04o); run: chmod 600 %s", k.path, info.Mode().Perm(), k.path)
	}
	if info.Size() > maxKeyFile {
		return fmt.Errorf("key file %s is larger than %d MiB", k.path, maxKeyFile>>20)
	}
	data, err := os.ReadFile(k.path)
	if err != nil {
		return fmt.Errorf("read key file: %w", err)
	}
	keys, err := decodeKeys(data)
	if err != nil {
		return fmt.Errorf("key file %s: %w; restore it, or remove it to have new keys made", k.path, err)
	}
	k.keys = keys
	return nil
}

func decodeKeys(data []byte) (map[string]keyPair, error) {
	var doc keyDocument
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&doc); err != nil {
		// The decoder's message could quote the file, and the file is secret.
		return nil, errors.New("not the JSON that was written")
	}
	if doc.Version != keyFileVersion {
		return nil, fmt.Errorf("version %d is not known", doc.Version)
	}
	keys := make(map[string]keyPair, len(doc.Subscriptions))
	for id, p := range doc.Subscriptions {
		if p.Primary == "" || p.Secondary == "" {
			return nil, fmt.Errorf("subscription '%s' lacks a key", id)
		}
		keys[strings.ToLower(id)] = keyPair{secret.New(p.Primary), secret.New(p.Secondary)}
	}
	return keys, nil
}

// Keys returns the keys of a subscription, making them when there are none.
// created tells that they are new; they are on disk before Keys returns.
func (k *KeyFile) Keys(subscriptionID string) (primary, secondary secret.Text, created bool, err error) {
	if subscriptionID == "" {
		return secret.Text{}, secret.Text{}, false, errors.New("make subscription keys: no subscription id")
	}
	id := strings.ToLower(subscriptionID)
	k.mu.Lock()
	defer k.mu.Unlock()
	if p, ok := k.keys[id]; ok {
		return p.primary, p.secondary, false, nil
	}
	unlock, err := lockFile(k.path + ".lock")
	if err != nil {
		return secret.Text{}, secret.Text{}, false, fmt.Errorf("lock key file: %w", err)
	}
	defer unlock()
	// Another process may have made them since.
	if err := k.readLocked(); err != nil {
		return secret.Text{}, secret.Text{}, false, err
	}
	if p, ok := k.keys[id]; ok {
		return p.primary, p.secondary, false, nil
	}
	p := keyPair{newKey(), newKey()}
	k.keys[id] = p
	if err := k.writeLocked(); err != nil {
		delete(k.keys, id)
		return secret.Text{}, secret.Text{}, false, err
	}
	return p.primary, p.secondary, true, nil
}

// Lookup returns the keys of a subscription without making any.
func (k *KeyFile) Lookup(subscriptionID string) (primary, secondary secret.Text, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p, ok := k.keys[strings.ToLower(subscriptionID)]
	return p.primary, p.secondary, ok
}

// newKey makes a key of APIM's form: 32 hexadecimal digits.
func newKey() secret.Text {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails; see crypto/rand
	return secret.New(hex.EncodeToString(b[:]))
}

// writeLocked replaces the file in one step: a reader, or a process that starts
// after a crash, sees the old content or the new one, never a part.
func (k *KeyFile) writeLocked() error {
	doc := keyDocument{Version: keyFileVersion, Subscriptions: make(map[string]keyPairOnDisk, len(k.keys))}
	for id, p := range k.keys {
		doc.Subscriptions[id] = keyPairOnDisk{p.primary.Reveal(), p.secondary.Reveal()}
	}
	data, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return fmt.Errorf("encode key file: %w", err)
	}
	if err := replaceFile(k.path, append(data, '\n')); err != nil {
		return fmt.Errorf("write key file: %w", err)
	}
	return nil
}

// replaceFile writes beside path, makes it durable, and renames.
func replaceFile(path string, data []byte) error {
	// One name for all: a file left behind by a crash is overwritten by the
	// next write, which holds the same lock.
	tmp := path + ".new"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		_ = os.Remove(tmp)
		return err
	}
	return syncFolder(filepath.Dir(path))
}
