// Values that every interpreter of one model shares.
#pragma once

namespace subgraft {

class SharedWeights {};

}  // namespace subgraft
