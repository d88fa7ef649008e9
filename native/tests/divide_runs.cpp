// Runs of so many microseconds on several threads and on one: which way is kept.
//
//   divide_runs DIVIDED UNDIVIDED LATER_DIVIDED   prints the share of divided runs of 900 after the first comparison,
//                                                 and of 900 after the second, when divided runs take LATER_DIVIDED
#include <cstdio>
#include <cstdlib>

#include "runtime/division.h"

int main(int count, char** arguments) {
  if (count != 4) return 2;
  double divided_s = std::atof(arguments[1]) * 1e-6;
  const double undivided_s = std::atof(arguments[2]) * 1e-6;
  subgraft::Division division;
  const auto share = [&](int runs) {
    int divided = 0;
    for (int i = 0; i < runs; ++i) {
      divided += division.divides();
      division.ran(division.divides() ? divided_s : undivided_s);
    }
    return 1.0 * divided / runs;
  };
  share(20);
  const double first = share(900);
  divided_s = std::atof(arguments[3]) * 1e-6;
  share(120);
  std::printf("%g %g\n", first, share(880));
  return 0;
}
