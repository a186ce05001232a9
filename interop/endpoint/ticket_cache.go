package endpoint

import (
	"context"
	"crypto/tls"
	"errors"
	"sync"
)

// A ticketCache is a tls.ClientSessionCache of one server that can be waited for.
type ticketCache struct {
	offer bool // later connections resume; set between connections

	stored chan struct{} // closed when there is a ticket
	once   sync.Once
	tls.ClientSessionCache
}

func newTicketCache() *ticketCache {
	return &ticketCache{stored: make(chan struct{}), ClientSessionCache: tls.NewLRUClientSessionCache(1)}
}

// Get implements tls.ClientSessionCache.
func (c *ticketCache) Get(key string) (*tls.ClientSessionState, bool) {
	if !c.offer {
		return nil, false
	}
	return c.ClientSessionCache.Get(key)
}

// Put implements tls.ClientSessionCache.
func (c *ticketCache) Put(key string, s *tls.ClientSessionState) {
	c.ClientSessionCache.Put(key, s)
	if s != nil {
		c.once.Do(func() { close(c.stored) })
	}
}

func (c *ticketCache) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, ticketTimeout, errNoTicket)
	defer cancel()
	select {
	case <-c.stored:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

var errNoTicket = errors.New("the server has sent no session ticket")
