using Iced.Intel;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Translate;

/// <summary>
/// Memory accesses. The TLB is looked up inline; what misses is interpreted. Accesses in a row that differ by their
/// displacement only (the fields of a structure, the registers that a function saves) are looked up together.
/// </summary>
internal sealed unsafe partial class BlockTranslator
{
    // Where a group lies across a page border it is interpreted as a whole: longer ones would be so too often.
    private const int GroupSpan = 64;
    private const int EntryIndexMask = (Tlb.EntryCount - 1) * 16;

    private AccessGroup _group;

    /// <summary>Accesses that are served by one look at the TLB; R11 holds the host address of <see cref="Start"/>.</summary>
    private struct AccessGroup
    {
        public bool IsOpen;
        public int First;
        public int Last;
        public long Start;
        public long End;
        public bool Writes;
        public bool UsesVectors;
        public bool UsesX87;
        public int Alignment;

        // What was added to RSP since the group began, for accesses to the stack.
        public int StackMoved;
        public ulong Key;
        public int Exit;
    }

    /// <summary>Host address of the step's operand, from R11.</summary>
    private int OperandDisplacement(ref Step step) => (int)(step.Displacement + _group.StackMoved - _group.Start);

    private void BeginAccess(int n)
    {
        ref Step step = ref _steps[n];
        if (!step.HasAccess || _group.IsOpen)
        {
            return;
        }

        _group = FindGroup(n);
        GiveUpHostFlags(step.LiveBefore);
        if (_group.UsesVectors && !_vectorsLoaded)
        {
            EmitVectorCheck(n);
        }

        if (_group.UsesX87 && !_x87Loaded)
        {
            EmitX87Check(n);
        }

        EmitAddress(ref step);
        _group.Exit = EmitTlbLookup(n, (int)(_group.End - _group.Start));
    }

    private void EndAccess(int n)
    {
        if (!_group.IsOpen)
        {
            return;
        }

        if (n == _group.Last)
        {
            if (!_steps[n].IsEnd)
            {
                Resume(_group.Exit, n);
            }

            _group = default;
        }
        else if (_group.Key == Step.StackKey)
        {
            _group.StackMoved += StackMovement(ref _steps[n]);
        }
    }

    private AccessGroup FindGroup(int n)
    {
        ref Step first = ref _steps[n];
        AccessGroup group = new()
        {
            IsOpen = true,
            Key = first.AddressKey,
            Start = first.Displacement,
            End = first.Displacement + first.AccessSize,
            First = n,
            Last = n,
        };
        long moved = 0;
        for (int m = n; m < _count; m++)
        {
            ref Step step = ref _steps[m];
            if (m > n && (step.IsInterpreted || step.ClobbersAddress))
            {
                break;
            }

            if (step.HasAccess)
            {
                if (step.AddressKey != group.Key || !TryExtend(ref group, ref step, moved, m))
                {
                    break;
                }
            }

            if (step.IsEnd || step.Kind == StepKind.Divide)
            {
                break;
            }

            int movement = group.Key == Step.StackKey ? StackMovement(ref step) : 0;
            if (movement == 0 && ChangesAddress(group.Key, ref step))
            {
                break;
            }

            moved += movement;
        }

        return group;
    }

    private bool TryExtend(ref AccessGroup group, ref Step step, long moved, int m)
    {
        long start = Math.Min(group.Start, step.Displacement + moved);
        long end = Math.Max(group.End, step.Displacement + moved + step.AccessSize);
        if (end - start > Math.Max(GroupSpan, step.AccessSize))
        {
            return false;
        }

        // Alignment is checked once, for the start.
        int alignment = step.AccessIsAligned ? step.AccessSize : 0;
        if (m != group.First && (group.Alignment != 0 || alignment != 0)
            && (start != group.Start || alignment > group.Alignment || ((step.Displacement + moved - start) & (alignment - 1)) != 0))
        {
            return false;
        }

        group.Start = start;
        group.End = end;
        group.Alignment = Math.Max(group.Alignment, alignment);
        group.Writes |= step.AccessWrites;
        group.UsesVectors |= step.UsesVectors;
        group.UsesX87 |= step.UsesX87;
        group.Last = m;
        return true;
    }

    private static bool ChangesAddress(ulong key, ref Step step)
    {
        ushort offsetOfBase = (ushort)key;
        ushort offsetOfIndex = (ushort)(key >> 16);
        return Changes(offsetOfBase, step.Writes) || Changes(offsetOfIndex, step.Writes)
            || (step.Kind is StepKind.Push or StepKind.Pop && Changes(offsetOfBase, 1 << RegisterMap.Rsp));
    }

    private static bool Changes(ushort offset, int writes) => offset != CpuState.ZeroOffset && (writes >> (offset / 8) & 1) != 0;

    // What the step adds to RSP; 0 also when that is not known.
    private static int StackMovement(ref Step step) => step.Kind switch
    {
        StepKind.Push => -8,
        StepKind.Pop => 8,
        _ => step.Source.Code switch
        {
            Code.Sub_rm64_imm8 or Code.Sub_rm64_imm32 when step.Source.Op0Register == Register.RSP => -(int)step.Source.GetImmediate(1),
            Code.Add_rm64_imm8 or Code.Add_rm64_imm32 when step.Source.Op0Register == Register.RSP => (int)step.Source.GetImmediate(1),
            _ => 0,
        },
    };

    // The linear address of the group's start to R11.
    private void EmitAddress(ref Step step)
    {
        ulong key = step.AddressKey;
        EmitAddress((ushort)key, (ushort)(key >> 16), (int)(key >> 32) & 3, (int)(key >> 40) & 0xFF, (int)(key >> 48) == 8, _group.Start);
    }

    private void EmitAddress(ushort @base, ushort index, int scale, int segment, bool wide, long displacement)
    {
        HostRegister baseRegister = AddressRegister(@base, RegisterMap.Address);
        HostRegister indexRegister = AddressRegister(index, RegisterMap.Scratch);
        if (baseRegister == HostRegister.None && indexRegister == HostRegister.None)
        {
            _emitter.MovImmediate(RegisterMap.Address, wide ? (ulong)displacement : (uint)displacement);
        }
        else
        {
            _emitter.Lea(RegisterMap.Address, baseRegister, indexRegister, scale, (int)displacement, wide);
        }

        AddSegment(segment);
    }

    private void AddSegment(int segment)
    {
        if (segment != CpuState.FlatSegment)
        {
            _emitter.LoadState(RegisterMap.Scratch, StateOffsets.SegmentBase + 8 * segment);
            _emitter.Lea(RegisterMap.Address, RegisterMap.Address, RegisterMap.Scratch, 0, 0);
        }
    }

    private HostRegister AddressRegister(ushort offset, HostRegister scratch)
    {
        if (offset == CpuState.ZeroOffset)
        {
            return HostRegister.None;
        }

        HostRegister host = RegisterMap.Of(offset / 8);
        if (host == HostRegister.None)
        {
            _emitter.LoadState(scratch, offset);
            return scratch;
        }

        return host;
    }

    // From the linear address to the host's, in R11. The exit that a miss takes.
    private int EmitTlbLookup(int n, int size)
    {
        EmitTlbEntry(_group.Writes ? StateOffsets.WriteTlb : StateOffsets.ReadTlb);
        _emitter.Cmp(RegisterMap.Address, 0x1000 - size);
        int exit = AddInterpretExit(_emitter.Jcc(HostCondition.Above), n, _group.Last);
        if (_group.Alignment != 0)
        {
            _emitter.TestLow(RegisterMap.Address, _group.Alignment - 1);
            AlsoTakes(exit, _emitter.Jcc(HostCondition.NotEqual));
        }

        _emitter.Add(RegisterMap.Address, RegisterMap.Scratch, 8);
        return exit;
    }

    // The entry of the linear address in R11 to RAX, and to R11 the offset in its page: far beyond a page on a miss.
    private void EmitTlbEntry(int table)
    {
        _emitter.Mov32(RegisterMap.Scratch, RegisterMap.Address);
        _emitter.ShiftRight32(RegisterMap.Scratch, Tlb.PageShift - 4);
        _emitter.And32(RegisterMap.Scratch, EntryIndexMask);
        _emitter.Add(RegisterMap.Scratch, HostRegister.Rbp, table - Emitter.StateBias);
        _emitter.Xor(RegisterMap.Address, RegisterMap.Scratch, 0);
    }
}
