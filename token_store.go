package quic

import (
	"container/list"
	"sync"
)

// NewLRUTokenStore returns a TokenStore in memory that keeps the newest tokensPerOrigin tokens of each of
// the maxOrigins servers that were used last.
func NewLRUTokenStore(maxOrigins, tokensPerOrigin int) TokenStore {
	return &lruTokenStore{
		maxOrigins: maxOrigins,
		perOrigin:  tokensPerOrigin,
		recent:     list.New(),
		origins:    make(map[string]*list.Element),
	}
}

type lruTokenStore struct {
	maxOrigins, perOrigin int // immutable

	mu      sync.Mutex // a leaf
	recent  *list.List // of *tokenOrigin, the one used last in front
	origins map[string]*list.Element
}

// tokenOrigin holds the tokens of one server, the oldest first.
type tokenOrigin struct {
	key    string
	tokens []*ClientToken
}

// Put implements TokenStore.
func (s *lruTokenStore) Put(key string, token *ClientToken) {
	if token == nil || s.maxOrigins <= 0 || s.perOrigin <= 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.origins[key]
	if !ok {
		e = s.recent.PushFront(&tokenOrigin{key: key})
		s.origins[key] = e
	}
	s.recent.MoveToFront(e)
	o := e.Value.(*tokenOrigin)
	o.tokens = append(o.tokens, token)
	if len(o.tokens) > s.perOrigin {
		copy(o.tokens, o.tokens[1:])
		o.tokens[s.perOrigin] = nil
		o.tokens = o.tokens[:s.perOrigin]
	}
	if s.recent.Len() > s.maxOrigins {
		s.remove(s.recent.Back())
	}
}

// Pop implements TokenStore. It returns the newest token.
func (s *lruTokenStore) Pop(key string) *ClientToken {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.origins[key]
	if !ok {
		return nil
	}
	s.recent.MoveToFront(e)
	o := e.Value.(*tokenOrigin)
	last := len(o.tokens) - 1
	token := o.tokens[last]
	o.tokens[last] = nil
	o.tokens = o.tokens[:last]
	if last == 0 {
		s.remove(e)
	}
	return token
}

// remove forgets an origin. The caller holds mu.
func (s *lruTokenStore) remove(e *list.Element) {
	s.recent.Remove(e)
	delete(s.origins, e.Value.(*tokenOrigin).key)
}
