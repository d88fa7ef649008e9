/* What a stand-in library counts of its objects, and which of its calls a test lets fail or hang. */
#ifndef STAND_IN_FAULTS_H_
#define STAND_IN_FAULTS_H_

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, NAME = 64 };
enum { CONTEXT, QUEUE, PROGRAM, KERNEL, BUFFER, EVENT, MAPPING, COMMAND, KINDS };

typedef struct {
  int kind, references;
} object;

static pthread_mutex_t mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP; /* for all that changes, objects too */
static pthread_cond_t resumed = PTHREAD_COND_INITIALIZER;
static long alive[KINDS], misuses;
static char failing[NAME], hanging[NAME], counted[NAME];
static int failing_code, fail_in, is_hanging, count_of_counted, lost;

/* ---- for the test */

void stand_in_fail(const char* call, int code, int nth) {
  strncpy(failing, call, NAME - 1);
  failing_code = code;
  fail_in = nth;
}

/* From now on nothing that has to do with a queue works. */
void stand_in_lose(int code) { lost = code; }

void stand_in_hang(const char* call) { strncpy(hanging, call, NAME - 1); }

int stand_in_is_hanging(void) { return is_hanging; }

void stand_in_resume(void) {
  pthread_mutex_lock(&mutex);
  hanging[0] = 0;
  pthread_cond_broadcast(&resumed);
  pthread_mutex_unlock(&mutex);
}

void stand_in_count(const char* call) {
  strncpy(counted, call, NAME - 1);
  count_of_counted = 0;
}

int stand_in_counted(void) { return count_of_counted; }

long stand_in_alive(int kind) { return alive[kind]; }

long stand_in_misuses(void) { return misuses; }

static object* made(int kind, size_t size) {
  object* one = calloc(1, size);
  one->kind = kind;
  one->references = 1;
  pthread_mutex_lock(&mutex);
  ++alive[kind];
  pthread_mutex_unlock(&mutex);
  return one;
}

void* stand_in_context(void) { return made(CONTEXT, sizeof(object)); }

int stand_in_references(object* one) { return one->references; }

/* ---- faults: what stands at the head of every function */

static int fault(const char* call, int* code) {
  pthread_mutex_lock(&mutex);
  if (!strcmp(call, counted)) ++count_of_counted;
  while (!strcmp(call, hanging)) {
    is_hanging = 1;
    pthread_cond_wait(&resumed, &mutex);
    is_hanging = 0;
  }
  int fails = fail_in > 0 && !strcmp(call, failing) && --fail_in == 0;
  if (fails) *code = failing_code;
  if (lost && (!strncmp(call, "clEnqueue", 9) || !strncmp(call, "clF", 3))) {
    fails = 1;
    *code = lost;
  }
  pthread_mutex_unlock(&mutex);
  return fails;
}

#define HEAD(call)                 \
  int code = SUCCESS;              \
  if (fault(call, &code)) return code
#define MAKING_HEAD(call)          \
  int code = SUCCESS;              \
  if (fault(call, &code)) {        \
    *error = code;                 \
    return NULL;                   \
  }                                \
  *error = SUCCESS

static void expect(int is_right) {
  if (is_right) return;
  pthread_mutex_lock(&mutex);
  ++misuses;
  pthread_mutex_unlock(&mutex);
}

static void expect_alive(const object* one, int kind) {
  pthread_mutex_lock(&mutex);
  expect(one && one->kind == kind && one->references > 0);
  pthread_mutex_unlock(&mutex);
}

/* An object stays in memory when it is dead, so that a use of it is seen. */
static int release(object* one, int kind) {
  expect_alive(one, kind);
  pthread_mutex_lock(&mutex);
  if (--one->references == 0) --alive[kind];
  pthread_mutex_unlock(&mutex);
  return SUCCESS;
}

#endif /* STAND_IN_FAULTS_H_ */
