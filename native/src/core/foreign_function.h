// A function of a library that was loaded while the program runs; it may be absent.
#pragma once

namespace subgraft {

// missing(name) throws; it is called where the function is and the library lacks it.
template <typename Signature, void (*missing)(const char* name)>
class ForeignFunction;

template <typename Result, typename... Parameters, void (*missing)(const char* name)>
class ForeignFunction<Result(Parameters...), missing> {
 public:
  explicit constexpr ForeignFunction(const char* name) : name_(name) {}

  const char* name() const { return name_; }
  explicit operator bool() const { return pointer_ != nullptr; }
  void set(void* pointer) { pointer_ = reinterpret_cast<Result (*)(Parameters...)>(pointer); }

  Result operator()(Parameters... parameters) const {
    if (pointer_ == nullptr) missing(name_);
    return pointer_(parameters...);
  }

 private:
  const char* name_;
  Result (*pointer_)(Parameters...) = nullptr;
};

}  // namespace subgraft
