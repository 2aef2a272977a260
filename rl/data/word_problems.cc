#include "rl/data/word_problems.h"

#include <array>
#include <string>

namespace cohort::rl {
namespace {

constexpr std::array kNames = {"Anna",  "Ben",  "Clara", "David", "Emma", "Felix", "Grace",
                               "Henry", "Iris", "Jack",  "Karen", "Leo",  "Maria", "Noah",
                               "Olga",  "Paul", "Rosa",  "Sam",   "Tina", "Victor"};
constexpr std::array kThings = {"apples", "books",   "marbles", "pencils", "stickers", "coins",
                                "shells", "cookies", "oranges", "stamps",  "buttons",  "cards"};
constexpr std::array kHolders = {"boxes", "bags", "baskets", "jars", "drawers", "packs"};

std::string Text(int64_t number) { return std::to_string(number); }

struct Scene {
  std::string name;
  std::string friend_name;
  std::string things;
  std::string holders;
};

Scene DrawScene(base::CounterRandom* random) {
  const auto pick = [&](const auto& words) {
    return std::string(words[random->Uniform(0, static_cast<int64_t>(words.size()) - 1)]);
  };
  Scene scene{pick(kNames), pick(kNames), pick(kThings), pick(kHolders)};
  while (scene.friend_name == scene.name) scene.friend_name = pick(kNames);
  return scene;
}

Problem Make(const std::string& prompt, const std::string& steps, int64_t answer) {
  Problem problem;
  problem.prompt = prompt;
  problem.answer = Text(answer);
  problem.completion = steps + " The answer is " + Text(answer) + ".";
  return problem;
}

std::string Equation(int64_t a, const char* sign, int64_t b, int64_t result) {
  return Text(a) + " " + sign + " " + Text(b) + " = " + Text(result) + ".";
}

Problem Gain(const Scene& s, base::CounterRandom* random) {
  const int64_t a = random->Uniform(2, 20), b = random->Uniform(2, 12);
  return Make(s.name + " has " + Text(a) + " " + s.things + ". " + s.friend_name + " gives " +
                  s.name + " " + Text(b) + " more. How many " + s.things + " does " + s.name +
                  " have now?",
              Equation(a, "+", b, a + b), a + b);
}

Problem Loss(const Scene& s, base::CounterRandom* random) {
  const int64_t b = random->Uniform(2, 12), left = random->Uniform(2, 12), a = b + left;
  return Make(s.name + " had " + Text(a) + " " + s.things + " and gave " + Text(b) +
                  " of them to " + s.friend_name + ". How many " + s.things + " does " + s.name +
                  " have left?",
              Equation(a, "-", b, left), left);
}

Problem Groups(const Scene& s, base::CounterRandom* random) {
  const int64_t a = random->Uniform(2, 6), b = random->Uniform(2, 6);
  return Make(s.name + " has " + Text(a) + " " + s.holders + " with " + Text(b) + " " + s.things +
                  " in each. How many " + s.things + " does " + s.name + " have in total?",
              Equation(a, "x", b, a * b), a * b);
}

Problem Together(const Scene& s, base::CounterRandom* random) {
  const int64_t a = random->Uniform(2, 12), more = random->Uniform(2, 8), b = a + more;
  return Make(s.name + " has " + Text(a) + " " + s.things + ". " + s.friend_name + " has " +
                  Text(more) + " more than " + s.name + ". How many " + s.things +
                  " do they have together?",
              s.friend_name + " has " + Equation(a, "+", more, b) + " Together they have " +
                  Equation(a, "+", b, a + b),
              a + b);
}

Problem GroupsThenLoss(const Scene& s, base::CounterRandom* random) {
  const int64_t a = random->Uniform(2, 5), b = random->Uniform(2, 6), all = a * b;
  const int64_t lost = random->Uniform(1, all - 1);
  return Make(s.name + " buys " + Text(a) + " " + s.holders + " of " + s.things + ". Each holds " +
                  Text(b) + " " + s.things + ". Then " + s.name + " gives away " + Text(lost) +
                  ". How many " + s.things + " are left?",
              "At first there are " + Equation(a, "x", b, all) + " Then " +
                  Equation(all, "-", lost, all - lost),
              all - lost);
}

Problem GainThenLoss(const Scene& s, base::CounterRandom* random) {
  const int64_t a = random->Uniform(3, 20), b = random->Uniform(2, 12);
  const int64_t lost = random->Uniform(2, a + b - 1);
  return Make("On Monday " + s.name + " has " + Text(a) + " " + s.things + ". On Tuesday " +
                  s.name + " finds " + Text(b) + " more, and on Wednesday " + s.name + " loses " +
                  Text(lost) + ". How many " + s.things + " does " + s.name + " have then?",
              Equation(a, "+", b, a + b) + " " + Equation(a + b, "-", lost, a + b - lost),
              a + b - lost);
}

Problem Price(const Scene& s, base::CounterRandom* random) {
  const int64_t count = random->Uniform(2, 6), price = random->Uniform(2, 6);
  const int64_t cost = count * price, change = random->Uniform(1, 20);
  return Make(s.name + " buys " + Text(count) + " " + s.things + " for $" + Text(price) +
                  " each and had $" + Text(cost + change) +
                  " to start with. How many dollars does " + s.name + " have left?",
              "The cost is " + Equation(count, "x", price, cost) + " What is left is " +
                  Equation(cost + change, "-", cost, change),
              change);
}

}  // namespace

Problem WordProblem(base::CounterRandom* random) {
  constexpr std::array kTemplates = {Gain,           Loss,         Groups, Together,
                                     GroupsThenLoss, GainThenLoss, Price};
  const Scene scene = DrawScene(random);
  return kTemplates[random->Uniform(0, kTemplates.size() - 1)](scene, random);
}

}  // namespace cohort::rl
