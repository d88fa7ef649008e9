// What one core can multiply and accumulate at most with each instruction set: independent chains in registers.
//
//   double subgraft_peak(const char* what)   multiply-accumulates per second; 0 where this processor or compiler cannot
//
//   double subgraft_copy(size_t size)        bytes per second that a copy of `size` bytes reads and writes, after a first
//
// `what` is a set and a type: "avx2 float32", "amx int8". The 8-bit figures of avx2 and avx512 are those of 16-bit
// products, which is what exact ones of 8 bits come to there.
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHAINS 12    // enough to hide the latency of two units, few enough for 16 registers
#define STEPS 20000  // of every chain in a try: some tens of microseconds
#define TRIES 100    // the best counts: the others were disturbed, or the clock had not risen yet

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

// A function that runs STEPS of `step` on CHAINS registers `a` and returns the seconds. The empty assembly makes values
// unknown to the compiler, which would else compute equal chains once, and keeps the results alive.
#define PEAK(name, flags, vector, zero, other, step)                                             \
  __attribute__((target(flags))) static double name(void) {                                      \
    vector a[CHAINS], x = other, y = other;                                                      \
    _Pragma("GCC unroll 16") for (int j = 0; j < CHAINS; ++j) {                                  \
      a[j] = zero;                                                                               \
      __asm__ volatile("" : SINK(a[j]));                                                         \
    }                                                                                            \
    const double start = seconds();                                                              \
    for (int i = 0; i < STEPS; ++i) {                                                            \
      _Pragma("GCC unroll 16") for (int j = 0; j < CHAINS; ++j) a[j] = step;                     \
      __asm__ volatile("" : SINK(x), SINK(y));                                                   \
    }                                                                                            \
    const double passed = seconds() - start;                                                     \
    _Pragma("GCC unroll 16") for (int j = 0; j < CHAINS; ++j) __asm__ volatile("" ::KEEP(a[j])); \
    return passed;                                                                               \
  }

static double best(double (*once)(void), double macs_per_step) {
  double least = 1e9;
  for (int i = 0; i < TRIES; ++i) {
    const double passed = once();
    if (passed < least) least = passed;
  }
  return macs_per_step * CHAINS * STEPS / least;
}

double subgraft_copy(size_t size) {
  char* from = malloc(size);
  char* to = malloc(size);
  const int copies = size < 1000000 ? (int)(1000000 / (size + 1)) + 1 : 1;
  double least = 1e9;
  if (from && to) memset(from, 1, size);
  for (int i = 0; from && to && i < TRIES / 4; ++i) {
    const double start = seconds();
    for (int k = 0; k < copies; ++k) {
      memcpy(to, from, size);
      __asm__ volatile("" ::"r"(to) : "memory");
    }
    const double passed = (seconds() - start) / copies;
    if (passed < least) least = passed;
  }
  free(from);
  free(to);
  return 2.0 * (double)size / least;
}

#if defined(__x86_64__)
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#define SINK(v) "+v"(v)
#define KEEP(v) "v"(v)

PEAK(fma256, "avx2,fma", __m256, _mm256_setzero_ps(), _mm256_set1_ps(0.5f), _mm256_fmadd_ps(x, y, a[j]))
PEAK(madd256, "avx2", __m256i, _mm256_setzero_si256(), _mm256_set1_epi16(3),
     _mm256_add_epi32(a[j], _mm256_madd_epi16(a[j], x)))
PEAK(fma512, "avx512f", __m512, _mm512_setzero_ps(), _mm512_set1_ps(0.5f), _mm512_fmadd_ps(x, y, a[j]))
PEAK(madd512, "avx512bw", __m512i, _mm512_setzero_si512(), _mm512_set1_epi16(3),
     _mm512_add_epi32(a[j], _mm512_madd_epi16(a[j], x)))
PEAK(dot512, "avx512f,avx512vnni", __m512i, _mm512_setzero_si512(), _mm512_set1_epi8(3),
     _mm512_dpbusd_epi32(a[j], x, y))
#if !defined(WITHOUT_NEW)
PEAK(dot256, "avx2,avxvnni", __m256i, _mm256_setzero_si256(), _mm256_set1_epi8(3), _mm256_dpbusd_avx_epi32(a[j], x, y))

struct TileConfig {
  unsigned char palette, start_row, reserved[14];
  unsigned short row_bytes[16];
  unsigned char rows[16];
};

__attribute__((target("amx-tile,amx-int8"))) static double tiles(void) {
  enum { kRequestPermission = 0x1023, kTileData = 18 };  // facts: arch_prctl(2)
  static char zeros[16 * 64] __attribute__((aligned(64)));
  struct TileConfig config;
  if (syscall(SYS_arch_prctl, kRequestPermission, kTileData) != 0) return 0;
  memset(&config, 0, sizeof config);
  config.palette = 1;
  for (int i = 0; i < 8; ++i) {
    config.row_bytes[i] = 64;
    config.rows[i] = 16;
  }
  _tile_loadconfig(&config);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_loadd(4, zeros, 64);
  _tile_loadd(5, zeros, 64);
  _tile_loadd(6, zeros, 64);
  _tile_loadd(7, zeros, 64);
  double least = 1e9;
  for (int i = 0; i < TRIES; ++i) {
    const double start = seconds();
    for (int k = 0; k < STEPS / 10; ++k) {
      _tile_dpbssd(0, 4, 6);
      _tile_dpbssd(1, 4, 7);
      _tile_dpbssd(2, 5, 6);
      _tile_dpbssd(3, 5, 7);
    }
    const double passed = seconds() - start;
    if (passed < least) least = passed;
  }
  _tile_release();
  return 4.0 * 16 * 16 * 64 * (STEPS / 10) / least;
}
#endif

double subgraft_peak(const char* what) {
  __builtin_cpu_init();
  if (!strcmp(what, "avx2 float32") && __builtin_cpu_supports("fma")) return best(fma256, 8);
  if (!strcmp(what, "avx2 int8") && __builtin_cpu_supports("avx2")) return best(madd256, 16);
  if (!strcmp(what, "avx512 float32") && __builtin_cpu_supports("avx512f")) return best(fma512, 16);
  if (!strcmp(what, "avx512 int8") && __builtin_cpu_supports("avx512bw")) return best(madd512, 32);
  if (!strcmp(what, "avx512vnni int8") && __builtin_cpu_supports("avx512vnni")) return best(dot512, 64);
#if !defined(WITHOUT_NEW)
  // The caller knows that these are there; older compilers' __builtin_cpu_supports does not.
  if (!strcmp(what, "avxvnni int8")) return best(dot256, 32);
  if (!strcmp(what, "amx int8")) return tiles();
#endif
  return 0;
}
#elif defined(__aarch64__)
#include <arm_neon.h>
#define SINK(v) "+w"(v)
#define KEEP(v) "w"(v)

PEAK(fma128, "+simd", float32x4_t, vdupq_n_f32(0), vdupq_n_f32(0.5f), vfmaq_f32(a[j], x, y))
PEAK(mull128, "+simd", int16x8_t, vdupq_n_s16(0), vdupq_n_s16(3),
     vmlal_s8(a[j], vreinterpret_s8_s16(vget_low_s16(x)), vreinterpret_s8_s16(vget_low_s16(y))))
#if !defined(WITHOUT_NEW)
PEAK(dot128, "arch=armv8.2-a+dotprod", int32x4_t, vdupq_n_s32(0), vdupq_n_s32(3),
     vdotq_s32(a[j], vreinterpretq_s8_s32(x), vreinterpretq_s8_s32(y)))
PEAK(matrix128, "arch=armv8.2-a+i8mm", int32x4_t, vdupq_n_s32(0), vdupq_n_s32(3),
     vmmlaq_s32(a[j], vreinterpretq_s8_s32(x), vreinterpretq_s8_s32(y)))
#endif

double subgraft_peak(const char* what) {
  if (!strcmp(what, "neon float32")) return best(fma128, 4);
  if (!strcmp(what, "neon int8")) return best(mull128, 8);
#if !defined(WITHOUT_NEW)
  // The caller knows that these are there.
  if (!strcmp(what, "dotprod int8")) return best(dot128, 16);
  if (!strcmp(what, "i8mm int8")) return best(matrix128, 32);
#endif
  return 0;
}
#else
double subgraft_peak(const char* what) {
  (void)what;
  (void)best;
  return 0;
}
#endif
