/*
 * lease -- one exporter by the lease alone, where clocks keep their bounds.
 *
 * For targets that cannot fence, and for everything that relies on the lease:
 * two nodes, a register, local clocks of which one may lose DRIFT ticks against
 * the other, and no pause between the check of the deadline and the request. A
 * standby knows nobody's clock: it counts from when it last saw the register
 * change. A compare-and-swap may land at any later time, also after its sender
 * gave up waiting, crashed and came back. With the register out of reach, the
 * holder may ask its peer for a promise.
 *
 * Time has no end here: every clock is a timer that stops at its limit.
 *
 *   MAXE, CRASHES, PROMISES   how far it is explored
 *   AFTER       the holder counts from when the answer came
 *   NODRIFT     the standby waits no longer than the holder's clock says
 *   BUSY        a promise is given with a swap unanswered
 *   RECEIPT     a promise is counted from its receipt
 *   NOSTART     a node acquires right after its start, by what it finds
 *   REACHED     claim that A, B, A never happens: must be violated
 */
#ifndef MAXE
#define MAXE 3
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef PROMISES
#define PROMISES 1
#endif
#define TTL   4
#define DRIFT 1
#ifdef NODRIFT
#define WAIT TTL
#define USE  TTL
#else
#define WAIT (TTL + DRIFT)
#define USE  (TTL - DRIFT)
#endif
#define NOBODY 255

/* Timers, each in ticks of its node's own clock. */
byte unchanged[2]; /* since the register was seen to change, up to WAIT */
byte left[2];      /* of the holder's lease */
byte bound[2];     /* of a promise that it gave */
byte settling[2];  /* until it may act after its start */
byte since_swap[2], since_asked[2]; /* up to USE */
byte slow = 0; /* ticks that one clock has lost against the other */

byte epoch = 0, holder = NOBODY;
byte exported = 0; /* the highest epoch so far */
byte mine[2];      /* the epoch that a node holds, 0: none */
byte crashes = 0, promises = 0;
byte first_holder = NOBODY, second_holder = NOBODY;

/* One swap of each node: 0 none, 1 on its way, 2 done, 3 lost. */
byte swap[2], swap_epoch[2];
bool stale[2];   /* the value that it expects is no longer there */
bool changed[2]; /* the register did, and this node has not seen it */
bool former[2];  /* it was sent before a crash */
/* A promise asked for by a node: 0 none, 1 asked, 2 given. */
byte promise[2], promise_epoch[2];

#define UP(timer, limit) timer = (timer < limit -> timer + 1 : limit)
#define DOWN(timer)      timer = (timer > 0 -> timer - 1 : 0)

inline tick(n)
{
    UP(unchanged[n], WAIT);
    UP(since_swap[n], USE);
    UP(since_asked[n], USE);
    DOWN(left[n]);
    DOWN(bound[n]);
    DOWN(settling[n]);
    if
    :: left[n] == 0 -> mine[n] = 0 /* it gives up at its deadline */
    :: else
    fi
}

proctype Time()
{
end:
    do
    :: atomic { tick(0); tick(1) }
    :: atomic { slow < DRIFT -> slow++; tick(0) }
    :: atomic { slow < DRIFT -> slow++; tick(1) }
    od
}

inline land(n)
{
    atomic {
        swap[n] == 1 ->
        if
        :: !stale[n] ->
            stale[1 - n] = true;
            changed[0] = true;
            changed[1] = true;
            holder = n;
            swap[n] = 2;
            if
            :: swap_epoch[n] > epoch ->
                assert(bound[n] == 0); /* who promised does not take */
                epoch = swap_epoch[n];
                if
                :: epoch == 1 -> first_holder = n
                :: epoch == 2 -> second_holder = n
                :: else ->
#ifdef REACHED
                    assert(!(n == first_holder && n != second_holder));
#endif
                    skip
                fi
            :: else
            fi
        :: else -> swap[n] = 3
        fi
    }
}

proctype Register()
{
end:
    do
    :: land(0)
    :: land(1)
    od
}

#ifdef NOSTART
#define SETTLED true
#else
#define SETTLED (settling[me] == 0)
#endif
#ifdef BUSY
#define UNANSWERED true
#else
#define UNANSWERED (swap[me] == 0)
#endif

inline look()
{
    changed[me] = false;
    unchanged[me] = 0
}

inline send(e)
{
    swap[me] = 1;
    swap_epoch[me] = e;
    stale[me] = false;
    former[me] = false;
    since_swap[me] = 0
}

proctype Node(byte me)
{
end:
    do
    /* The standby looks. */
    :: atomic { mine[me] == 0 && changed[me] -> look() }
    /* It takes over: the value has not changed for long enough. */
    :: atomic {
           mine[me] == 0 && swap[me] == 0 && !changed[me] && epoch < MAXE &&
           unchanged[me] == WAIT && bound[me] == 0 && SETTLED ->
           send(epoch + 1)
       }
    /* The holder renews. */
    :: atomic {
           mine[me] > 0 && swap[me] == 0 && mine[me] == epoch &&
           holder == me ->
           send(mine[me])
       }
    /* An answer, or what was read back. */
    :: atomic {
           swap[me] == 2 && !former[me] && bound[me] == 0 ->
           swap[me] = 0;
           if
           :: epoch == swap_epoch[me] && holder == me ->
               mine[me] = epoch;
#ifdef AFTER
               left[me] = USE
#else
               left[me] = (USE - since_swap[me] > left[me] ->
                           USE - since_swap[me] : left[me])
#endif
           :: else -> mine[me] = 0; left[me] = 0
           fi;
           if
           :: left[me] == 0 -> mine[me] = 0
           :: else
           fi;
           look()
       }
    /* It landed, but was sent in a former life: nothing is resumed. */
    :: atomic { swap[me] == 2 && former[me] -> swap[me] = 0; look() }
    :: atomic {
           swap[me] == 3 ->
           swap[me] = 0;
           mine[me] = 0;
           left[me] = 0;
           look()
       }
    /* The holder asks for a promise, the peer gives it, the holder counts. */
    :: atomic {
           mine[me] > 0 && promise[me] == 0 && promises < PROMISES ->
           promises++;
           promise[me] = 1;
           promise_epoch[me] = mine[me];
           since_asked[me] = 0
       }
    :: atomic {
           promise[1 - me] == 1 && mine[me] == 0 && UNANSWERED &&
           epoch == promise_epoch[1 - me] && SETTLED ->
           promise[1 - me] = 2;
           bound[me] = WAIT
       }
    :: atomic {
           promise[me] == 2 ->
           promise[me] = 0;
           if
           :: mine[me] == promise_epoch[me] ->
#ifdef RECEIPT
               left[me] = USE
#else
               left[me] = (USE - since_asked[me] > left[me] ->
                           USE - since_asked[me] : left[me])
#endif
           :: else
           fi
       }
    :: atomic { promise[me] == 1 && mine[me] == 0 -> promise[me] = 0 }
    /* It exports: the check and the request are one step here. */
    :: atomic {
           mine[me] > 0 && exported != mine[me] ->
           assert(mine[me] > exported);
           exported = mine[me]
       }
    /* It crashes: only what is on its way is left. */
    :: atomic {
           crashes < CRASHES ->
           crashes++;
           mine[me] = 0;
           left[me] = 0;
           bound[me] = 0;
           former[me] = true;
           settling[me] = WAIT;
           promise[me] = 0;
#ifdef NOSTART
           changed[me] = false;
           unchanged[me] = WAIT
#else
           look()
#endif
       }
    od
}

init
{
    atomic {
        settling[0] = WAIT;
        settling[1] = WAIT;
        run Time();
        run Register();
        run Node(0);
        run Node(1)
    }
}
