// Test code as pytest and unittest run it, and test code that cannot be run.

#include "tests/reward/code/judge_case.h"

namespace cohort::reward::judge {
namespace {

struct AssertCase {
  std::string code;
  std::vector<std::string> tests;
  std::string setup;
};

class TestFunctions : public testing::Test {
 protected:
  void SetUp() override { SKIP_WITHOUT_SANDBOX(); }
  static void Accepts(const std::vector<AssertCase>& cases) {
    for (const auto& [code, tests, setup] : cases) {
      const Grade grade = GradeCode(code, AssertTests(tests, setup));
      EXPECT_EQ(grade.status, STATUS_OK) << grade.detail << "\n" << code;
      EXPECT_EQ(grade.score, 1) << grade.detail << "\n" << code << "\n" << tests.front();
    }
  }
  static void Rejects(const std::vector<AssertCase>& cases) {
    for (const auto& [code, tests, setup] : cases) {
      const Grade grade = GradeCode(code, AssertTests(tests, setup));
      EXPECT_EQ(grade.status, STATUS_OK) << grade.detail << "\n" << code;
      EXPECT_EQ(grade.score, 0) << grade.detail << "\n" << code << "\n" << tests.front();
    }
  }
};

TEST_F(TestFunctions, RunAsPytestAndUnittestRunThem) {
  Accepts({
      {"def add(a,b): return a+b",
       {R"py(from solution import add

def test_add():
    assert add(1,2)==3

def test_neg():
    assert add(-1,1)==0)py"},
       ""},
      {"def add(a,b): return a+b",
       {R"py(from solution import *

def test_add():
    assert add(1,2)==3)py"},
       ""},
      {"def add(a,b): return a+b",
       {R"py(from solution import add as plus
def test_add():
    assert plus(1,2)==3)py"},
       ""},
      {"def add(a,b): return a+b",
       {R"py(import solution
def test_add():
    assert solution.add(1,2)==3)py"},
       ""},
      {R"py(def add(a,b):
    if type(a) is str: raise TypeError('no')
    return a+b)py",
       {R"py(import pytest
from solution import add
def test_add():
    with pytest.raises(TypeError, match='no'):
        add('a',2)
    assert add(.1,.2)==pytest.approx(.3)
@pytest.mark.parametrize('a,b,c',[(1,2,3),(2,2,4)])
def test_many(a,b,c):
    assert add(a,b)==c
@pytest.fixture
def one(): return 1
def test_fix(one):
    assert add(one,one)==2)py"},
       ""},
      {"def add(a,b): return a+b",
       {R"py(import unittest
from solution import add
class T(unittest.TestCase):
    def setUp(self): self.k=1
    def test_a(self):
        self.assertEqual(add(self.k,2),3)
        with self.assertRaises(TypeError): add(1,'a')
if __name__=='__main__': unittest.main())py"},
       ""},
      {"def hi(): print('x')",
       {R"py(from solution import hi
def test_hi(capsys):
    hi()
    assert capsys.readouterr().out=='x\n')py"},
       ""},
      {"def f(m): return m()",
       {R"py(from unittest.mock import Mock
m=Mock(return_value=5)
assert f(m)==5
m.assert_called_once())py"},
       ""},
  });
}

TEST_F(TestFunctions, FailAsPytestAndUnittestHaveThemFail) {
  Rejects({
      {"def add(a,b): return a-b",
       {R"py(from solution import add

def test_add():
    assert add(1,2)==3)py"},
       ""},
      {"def sub(a,b): return a+b",
       {R"py(from solution import add
def test_add():
    assert add(1,2)==3)py"},
       ""},
      {"def add(a,b): return a+b",
       {R"py(import pytest
from solution import add
def test_add():
    with pytest.raises(TypeError):
        add(1,2))py"},
       ""},
      {"def add(a,b): return 3",
       {R"py(import pytest
from solution import add
@pytest.mark.parametrize('a,b,c',[(1,2,3),(2,2,4)])
def test_many(a,b,c):
    assert add(a,b)==c)py"},
       ""},
      {"def add(a,b): return a-b",
       {R"py(import unittest
from solution import add
class T(unittest.TestCase):
    def test_a(self):
        self.assertEqual(add(1,2),3))py"},
       ""},
      {"def add(a,b): return a-b",
       {R"py(class TestAdd:
    def test_a(self):
        assert add(1,2)==3)py"},
       ""},
      {"def add(a,b): return a+b",
       {R"py(from solution import add
def test(): 
    assert add(1,2)==4
if __name__=='__main__':
    test())py"},
       ""},
      {R"py(import nonexistent
def f(x): return x)py",
       {"assert f(1)==1"},
       ""},
  });
}

TEST_F(TestFunctions, WhatCannotBeRunIsNobodysZero) {
  const std::vector<AssertCase> cases = {
      {"def add(a,b): return a+b",
       {R"py(def check():
    assert add(1,2)==4)py"},
       ""},
      {"def f(): return 1",
       {R"py(import inspect
assert inspect.signature(f))py"},
       ""},
      {"def f(): return input()",
       {R"py(from unittest.mock import patch
with patch('builtins.input',return_value='3'):
    assert f()=='3')py"},
       ""},
      {"class B: pass",
       {R"py(class D(B): pass
assert D())py"},
       ""},
      {"def f(x): return x",
       {R"py(import numpy as np
assert np.allclose(f(1),1))py"},
       ""},
  };
  for (const auto& [code, tests, setup] : cases) {
    EXPECT_EQ(GradeCode(code, AssertTests(tests, setup)).status, STATUS_UNPARSEABLE)
        << tests.front();
  }
}

}  // namespace
}  // namespace cohort::reward::judge
