using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Execute;

/// <summary>
/// Handlers by instruction form, one for register and one for memory operands. Instruction groups fill it in at start;
/// a form that nobody fills in does not exist for guests: #UD.
/// </summary>
internal sealed unsafe class HandlerTable
{
    private static readonly int CodeCount = (int)Enum.GetValues<Code>().Max() + 1;

    private readonly nint[] _register = new nint[CodeCount];
    private readonly nint[] _memory = new nint[CodeCount];

    public HandlerTable()
    {
        delegate*<CpuState*, Decode.Instruction*, Outcome> undefined = &Undefined;
        Array.Fill(_register, (nint)undefined);
        Array.Fill(_memory, (nint)undefined);
    }

    /// <summary>A copy that may be changed without changing the other.</summary>
    public HandlerTable(HandlerTable other)
    {
        other._register.CopyTo(_register, 0);
        other._memory.CopyTo(_memory, 0);
    }

    /// <summary>Sets one handler for both operand kinds.</summary>
    public void Set(Code code, delegate*<CpuState*, Decode.Instruction*, Outcome> handler) => Set(code, handler, handler);

    /// <summary>Sets the handlers for register and memory operands; null leaves one undefined.</summary>
    public void Set(
        Code code,
        delegate*<CpuState*, Decode.Instruction*, Outcome> register,
        delegate*<CpuState*, Decode.Instruction*, Outcome> memory)
    {
        if (register != null)
        {
            _register[(int)code] = (nint)register;
        }

        if (memory != null)
        {
            _memory[(int)code] = (nint)memory;
        }
    }

    /// <summary>The handler for a form.</summary>
    public delegate*<CpuState*, Decode.Instruction*, Outcome> Find(Code code, bool memory) =>
        (delegate*<CpuState*, Decode.Instruction*, Outcome>)(memory ? _memory : _register)[(int)code];

    /// <summary>Whether any group implements the form.</summary>
    public bool IsDefined(Code code)
    {
        delegate*<CpuState*, Decode.Instruction*, Outcome> undefined = &Undefined;
        return _register[(int)code] != (nint)undefined || _memory[(int)code] != (nint)undefined;
    }

    private static Outcome Undefined(CpuState* s, Decode.Instruction* i) => Faults.InvalidOpcode(s);
}
