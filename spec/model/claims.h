/* What the model claims, beside the tables that tables.h holds. Included by kcom5.pml after the state's declaration.
 *
 * `now` is Spin's state. What is counted here (hits, pairs) is not part of it: it is printed when the run ends. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CONFIGS 400

static struct config {
  int tr, cli, srv, ms, ds, tt, room, faults, rules;
} configs[MAX_CONFIGS];
static int n_configs, is_told, unclaimed;
static unsigned char hits[2][N_STATES][N_EVENTS];
static unsigned char pairs[N_CLIENTS][N_SERVERS][N_ERRORS + 5][N_ERRORS + 5];
static const char *violated = "";

static void at_end(void) {
  int role, state, event, c, s, a, b;
  if (*violated) printf("@violated %s\n", violated);
  for (role = 0; role < 2; role++)
    for (state = 0; state < N_STATES; state++)
      for (event = 0; event < N_EVENTS; event++)
        if (hits[role][state][event]) printf("@hit %d %s %s\n", role, state_names[role][state], event_names[event]);
  for (c = 0; c < N_CLIENTS; c++)
    for (s = 0; s < N_SERVERS; s++)
      for (a = 0; a < N_ERRORS + 5; a++)
        for (b = 0; b < N_ERRORS + 5; b++)
          if (pairs[c][s][a][b]) printf("@pair %d %d %d %d\n", c, s, a, b);
  fflush(stdout);
}

/* KCOM5_CONFIGS: nine numbers for each, then a semicolon. KCOM5_EDITS: role, state, event, action, next, error.
 * KCOM5_UNCLAIMED: the number of a property that is passed over. */
__attribute__((constructor)) static void read_environment(void) {
  const char *text = getenv("KCOM5_CONFIGS");
  int used, r, s, e, a, n, x;
  for (; text && *text && n_configs < MAX_CONFIGS; text += used) {
    struct config *c = &configs[n_configs++];
    used = 0;
    if (sscanf(text, "%d %d %d %d %d %d %d %d %d;%n", &c->tr, &c->cli, &c->srv, &c->ms, &c->ds, &c->tt, &c->room,
               &c->faults, &c->rules, &used) != 9 ||
        !used) {
      fprintf(stderr, "KCOM5_CONFIGS cannot be read: %s\n", text);
      exit(2);
    }
  }
  text = getenv("KCOM5_EDITS");
  for (; text && *text; text += used) {
    used = 0;
    if (sscanf(text, "%d %d %d %d %d %d;%n", &r, &s, &e, &a, &n, &x, &used) != 6 || !used) exit(2);
    cells[r][s][e] = (struct cell){a, n, x};
  }
  is_told = getenv("KCOM5_TELL") != NULL;
  unclaimed = getenv("KCOM5_UNCLAIMED") ? atoi(getenv("KCOM5_UNCLAIMED")) : 0;
  atexit(at_end);
}

static void configure(void) {
  const struct config *c = &configs[now.cfg];
  if (is_told) printf("@config %d\n", now.cfg);
  now.tr = c->tr, now.cli = c->cli, now.srv = c->srv, now.ms = c->ms, now.ds = c->ds;
  now.tt = c->tt, now.room = c->room, now.faults = c->faults, now.rules = c->rules;
}

/* For the replay of a counter-example: who does what. */
static void tell(void) {
  if (is_told)
    printf("@step %s %s %s %d %d %d\n", deed_names[now.deed], event_names[now.ev],
           state_names[now.deed == D_CLIENT][now.deed == D_CLIENT ? now.c_st : now.s_st], now.s_w, now.arr, now.c_rd);
}

static void tell_wire(const char *what) {
  if (is_told) printf("@wire %s\n", what);
}

static void claim(int number, int holds) {
  if (holds || now.viol || number == unclaimed) return;
  now.viol = number;
  violated = property_names[number];
}

/* What a failure is called (result.class, and the rules that name an error for an event). */
static void claim_name(int role, int state, int event, const struct cell *cell) {
  int expected = 0;
  switch (event) {
    case E_failure:
    case E_cancel:
      expected = X_io;
      break;
    case E_timeout:
      expected = !role && now.s_shut ? X_unconfirmed : X_timeout;
      break;
    case E_refused:
      expected = X_refused;
      break;
    case E_over:
      expected = X_over_limit;
      break;
    case E_wrong:
      expected = role && state == C_message ? X_malformed_message : X_invalid_connection;
      break;
    case E_reset:
      if (!role)
        expected = state == S_listening ? 0 : state == S_hello ? X_invalid_connection : X_unconfirmed;
      else
        expected = state == C_connecting || state == C_echo ? X_invalid_connection : X_truncated;
      break;
    case E_end:
      if (role)
        expected = state == C_connecting || state == C_echo ? X_invalid_connection : X_truncated;
      else if (state == S_hello)
        expected = X_invalid_connection;
      break;
  }
  claim(P_NAME, cell->error == expected);
}

/* Give the event to the server or the client: look its cell up. Returns the action. */
static int take(int role) {
  unsigned char *state = role ? &now.c_st : &now.s_st;
  const struct cell *cell = &cells[role][*state][now.ev];
  hits[role][*state][now.ev] = 1;
  if (is_told)
    printf("@event %d %s %s %s\n", role, state_names[role][*state], event_names[now.ev],
           cell->error ? error_names[cell->error] : state_names[role][cell->next]);
  claim_name(role, *state, now.ev, cell);
  *(role ? &now.c_err : &now.s_err) = cell->error;
  *state = cell->next;
  return cell->action;
}

static int octets(void) { return 6 + now.ms + now.ds; }
static int honest_server(void) { return now.srv == ORDINARY_SERVER || now.srv == STOPS; }

static void claims_of_server(void) {
  int to_send = octets() + (now.srv == TALKS_ON ? 2 : 0);
  if (now.s_st == S_done) {
    claim(P_SYNC, now.s_w == to_send);
    claim(P_ACKNOWLEDGED, now.arr == now.s_w);
  }
  if (now.s_conf && now.cli != DISHONEST && now.cli != HALF_CLOSING) claim(P_CONFIRMED, now.c_del);
  if (now.s_conf) claim(P_SYSTEM_HAS_ALL, now.arr == now.s_w && now.s_w == to_send);
  claim(P_SILENT, !(now.c_badh && now.s_w));
}

static void claims_of_client(void) {
  int may_succeed = now.srv == ORDINARY_SERVER || now.srv == STOPS || now.srv == TALKS_ON || now.srv == TRUNCATING;
  if (now.c_st == C_done) claim(P_OCTETS, now.c_del && may_succeed && now.c_rd + now.c_peek <= octets());
  if (now.c_st == C_failed) claim(P_NEVER_BOTH, !(now.s_conf && now.cli != HALF_CLOSING) && !now.c_del);
}

static int outcome(int state, int is_done, int is_failed, int error, int is_confirmed, int is_dead) {
  if (is_dead) return N_ERRORS + 2;
  if (is_done) return is_confirmed ? N_ERRORS : N_ERRORS + 1;
  return is_failed ? error : N_ERRORS + 3;
}

/* Nothing more can happen. */
static void claims_at_rest(void) {
  int server_final = now.s_st == S_done || now.s_st == S_failed,
      client_final = now.c_st == C_done || now.c_st == C_failed;
  int server_waits = now.srv != BUSY && now.srv != FULL && !server_final && !now.s_dead && !now.s_stop;
  int client_waits = now.cli != DISHONEST && !client_final && !now.c_dead && !now.c_stop;
  int client_faults = F_STORE | F_C_FAILS | F_C_CANCELS | F_C_KILLED;
  if (now.tt) {
    claim(P_ENDS, !server_waits && !client_waits);
  } else {
    claim(P_WAITS, !server_waits || now.c_stop || (now.s_st == S_listening && now.conn != 1));
    claim(P_WAITS, !client_waits || now.s_stop || now.srv == FULL);
  }
  if (!now.tt && !now.faults && now.srv == ORDINARY_SERVER && now.c_err != X_refused &&
      (now.cli == ORDINARY_CLIENT || now.cli == HALF_CLOSING || now.cli == EXTRA)) {
    claim(P_GOES_WELL, now.s_st == S_done && now.c_st == C_done && now.c_del);
    claim(P_GOES_WELL, now.s_conf || now.cli == HALF_CLOSING);
  }
  if (now.s_shut && honest_server() && !(now.faults & client_faults) &&
      (now.cli == ORDINARY_CLIENT || (now.cli == EXTRA && !now.x_late && !now.s_dead)))
    claim(P_KEPT, now.c_st == C_done || now.c_err == X_timeout);
  pairs[now.cli][now.srv]
       [outcome(now.s_st, now.s_st == S_done, now.s_st == S_failed, now.s_err, now.s_conf, now.s_dead)]
       [outcome(now.c_st, now.c_st == C_done, now.c_st == C_failed, now.c_err, 0, now.c_dead)] = 1;
}
